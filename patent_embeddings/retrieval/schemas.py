"""Schemas of runs and of the tuning of fusion."""

from __future__ import annotations

from patent_embeddings.core.tables import Table

RUN = Table(
    {"query_id": "text", "family_id": "text", "rank": "int", "score": "float32"},
    key=("query_id", "rank"),
    finite=("score",),
    filled=("query_id", "family_id"),
    ranked=True,
)
# Split `fold-2`: all queries outside fold 2, whose own queries are fused with the value best on that split.
FUSION = Table(
    {"method": "text", "value": "float64", "split": "text", "metric": "text", "score": "float64"}
    | {"chosen": "bool", "oracle": "bool"},
    key=("method", "value", "split"),
    among={"method": ("rrf", "interpolation"), "split": ("dev", "test", *(f"fold-{fold}" for fold in range(5)))},
    finite=("value", "score"),
)
