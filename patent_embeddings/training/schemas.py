"""Schemas of the tables that training writes with the adapter."""

from __future__ import annotations

from patent_embeddings.core.tables import Table

CURVE = Table(
    {"split": "text", "step": "int", "loss": "float64"},
    key=("split", "step"),
    among={"split": ("train", "dev")},
    finite=("loss",),
)
SEEN = Table({"family_id": "text"}, key=("family_id",), filled=("family_id",))  # families seen in training
