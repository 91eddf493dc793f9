"""What training has seen of a landscape."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def seen(pairs: pd.DataFrame, negatives: Sequence[str] = ()) -> pd.DataFrame:
    """Families that a training pair touches, or that were its hard negatives, as rows of `SEEN`.

    `pairs`: rows of the table of pairs.
    """
    train = pairs[pairs["split"] == "train"]
    shown = [train["anchor_id"], train["positive_id"], pd.Series(negatives, dtype=object)]
    touched = pd.concat(shown).drop_duplicates()
    return pd.DataFrame({"family_id": touched.astype("str")})
