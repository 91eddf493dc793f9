"""Tables of outcomes and scores: columns and rules."""

from __future__ import annotations

from patent_embeddings.core.tables import SPLITS, Table

OUTCOMES = Table(
    dict.fromkeys(("system", "task", "scope", "metric", "query_id", "split"), "text") | {"value": "float64"},
    key=("task", "system", "scope", "metric", "query_id"),
    among={"split": SPLITS},
    finite=("value",),
    filled=("query_id",),
)
SCORES = Table(
    {"landscape": "text", "simulated": "bool"}
    | dict.fromkeys(("task", "system", "scope", "metric"), "text")
    | dict.fromkeys(("value", "ci_low", "ci_high"), "float64")
    | {"n": "int"},
    key=("landscape", "task", "system", "scope", "metric"),
    finite=("value",),
    around={"value": ("ci_low", "ci_high")},
)
