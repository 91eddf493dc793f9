"""Schemas of the tables of training pairs, and of the documents that hard negatives are mined from."""

from __future__ import annotations

from patent_embeddings.core.tables import Table
from patent_embeddings.pairs.signals import NAMES

PAIRS = Table(
    {"split": "text", "step": "int", "position": "int", "signal": "text", "label": "text",
     "anchor_id": "text", "positive_id": "text", "anchor": "text", "positive": "text", "conflicts": "list",
     "landscape": "text"},
    key=("split", "step", "position"), among={"split": ("train", "dev"), "signal": NAMES},
    filled=("anchor_id", "positive_id", "anchor", "positive", "landscape"),
)  # fmt: skip
DOCUMENTS = Table(
    {"landscape": "text", "family_id": "text", "text": "text", "kin": "list", "labels": "list"},
    key=("landscape", "family_id"), filled=("landscape", "family_id"),
)  # fmt: skip
