"""The tables that training writes with the adapter."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from patent_embeddings.core.tables import Table

CURVE = Table(
    {"split": "text", "step": "int", "loss": "float64"},
    key=("split", "step"),
    among={"split": ("train", "dev")},
    finite=("loss",),
)
SEEN = Table({"family_id": "text"}, key=("family_id",), filled=("family_id",))  # families seen in training


def seen(pairs: pd.DataFrame, negatives: Sequence[str] = ()) -> pd.DataFrame:
    """Families of the training pairs and of their hard negatives, as rows of `SEEN`; `pairs` are rows of `PAIRS`."""
    train = pairs[pairs["split"] == "train"]
    shown = [train["anchor_id"], train["positive_id"], pd.Series(negatives, dtype=object)]
    touched = pd.concat(shown).drop_duplicates()
    return pd.DataFrame({"family_id": touched.astype("str")})
