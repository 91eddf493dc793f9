"""Tables of what training leaves beside the adapter: columns and rules."""

from __future__ import annotations

from patent_embeddings.core.tables import Table

CURVE = Table(
    {"split": "text", "step": "int", "loss": "float64"},
    key=("split", "step"),
    among={"split": ("train", "dev")},
    finite=("loss",),
)
SCALES = Table({"scale": "float64", "loss": "float64", "chosen": "bool"}, key=("scale",), finite=("scale", "loss"))
