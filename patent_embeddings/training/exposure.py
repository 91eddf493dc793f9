"""Families that training has seen."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def seen(pairs: pd.DataFrame, negatives: Sequence[str] = ()) -> pd.DataFrame:
    """Families of the training pairs and of their hard negatives, as rows of `SEEN`; `pairs` are rows of `PAIRS`."""

    train = pairs[pairs["split"] == "train"]
    shown = [train["anchor_id"], train["positive_id"], pd.Series(negatives, dtype=object)]
    touched = pd.concat(shown).drop_duplicates()
    return pd.DataFrame({"family_id": touched.astype("str")})
