"""Tables of what training leaves beside the adapter: columns and rules."""

from __future__ import annotations

from patent_embeddings.core.tables import Table

CURVE = Table(
    {"split": "text", "step": "int", "loss": "float64"},
    key=("split", "step"),
    among={"split": ("train", "dev")},
    finite=("loss",),
)
SEEN = Table({"family_id": "text"}, key=("family_id",), filled=("family_id",))  # touched by a training pair
