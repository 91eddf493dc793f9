"""What training has seen of a landscape."""

from __future__ import annotations

import pandas as pd


def seen(pairs: pd.DataFrame) -> pd.DataFrame:
    """Families that a training pair touches, as rows of `SEEN`. `pairs`: rows of the table of pairs."""
    train = pairs[pairs["split"] == "train"]
    touched = pd.concat([train["anchor_id"], train["positive_id"]]).drop_duplicates()
    return pd.DataFrame({"family_id": touched.astype("str")})
