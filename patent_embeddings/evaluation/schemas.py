"""Tables of outcomes and scores: columns and rules."""

from __future__ import annotations

from patent_embeddings.core.tables import SPLITS, Table

OUTCOMES = Table(
    {"system": "text", "task": "text", "scope": "text", "metric": "text", "query_id": "text", "split": "text", "value": "float64"},
    key=("task", "system", "scope", "metric", "query_id"), among={"split": SPLITS}, finite=("value",), filled=("query_id",),
)  # fmt: skip
SCORES = Table(
    {"landscape": "text", "simulated": "bool", "task": "text", "system": "text", "scope": "text", "metric": "text",
     "value": "float64", "ci_low": "float64", "ci_high": "float64", "n": "int"},
    key=("landscape", "task", "system", "scope", "metric"), finite=("value",), around={"value": ("ci_low", "ci_high")},
)  # fmt: skip
