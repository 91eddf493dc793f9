"""Schemas of the tables of outcomes, scores and compression."""

from __future__ import annotations

from patent_embeddings.core.tables import SPLITS, Table

OUTCOMES = Table(
    dict.fromkeys(("system", "task", "scope", "metric", "query_id", "split"), "text") | {"value": "float64"},
    key=("task", "system", "scope", "metric", "query_id"),
    among={"split": SPLITS},
    finite=("value",),
    filled=("query_id",),
)
# Ranks of the judged families in the runs of the oracle fusions; no row where a family is not in the run.
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
# Forms of the vectors: as searched, half and a quarter of the dimensions, fewer bits.
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
