"""Tables of outcomes and scores, and of what vectors lose in fewer bytes: columns and rules."""

from __future__ import annotations

from patent_embeddings.core.tables import SPLITS, Table

OUTCOMES = Table(
    dict.fromkeys(("system", "task", "scope", "metric", "query_id", "split"), "text") | {"value": "float64"},
    key=("task", "system", "scope", "metric", "query_id"),
    among={"split": SPLITS},
    finite=("value",),
    filled=("query_id",),
)
# Where the fusions that are tuned on test would have ranked what is judged; no row where it is not among the best.
ORACLES = Table(
    {"system": "text", "query_id": "text", "family_id": "text", "rank": "int"},
    key=("system", "query_id", "family_id"),
    filled=("query_id", "family_id"),
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
# Of vectors: as they are searched, in half and a quarter of their dimensions, and in fewer bits.
FORMS = ("float32", "half", "quarter", "float16", "int8", "binary")
COMPRESSION = Table(
    dict.fromkeys(("form", "metric", "scope"), "text")
    | dict.fromkeys(("value", "difference", "low", "high"), "float64")
    | {"n": "int", "dimensions": "int", "bytes": "int", "bytes_per_family": "float64"},
    key=("form", "metric", "scope"),
    among={"form": FORMS},
    finite=("value", "difference", "bytes_per_family"),
    around={"difference": ("low", "high")},
)
