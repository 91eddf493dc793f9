"""Schemas of the tables of families, views, tasks and lengths."""

from __future__ import annotations

from patent_embeddings.core.tables import SPLITS, Table

SCOPES = ("in", "out", "unknown")
FAMILIES = Table(
    {"family_id": "text", "title": "text", "abstract": "text", "claims": "text", "description": "text",
     "ipc": "list", "cpc": "list", "jurisdiction": "text", "date": "text", "labels": "list",
     "domains": "list", "priority": "text", "publication": "text", "url": "text", "publications": "list",
     "applicants": "list"},
    key=("family_id",), filled=("family_id",),
)  # fmt: skip
CITATIONS = Table(
    {"citing_id": "text", "cited_id": "text", "category": "text"},
    key=("citing_id", "cited_id"),
    filled=("citing_id", "cited_id"),
)
RELATIONS = Table(
    {"query_id": "text", "family_id": "text", "relevance": "int", "scope": "text"},
    key=("query_id", "family_id"), among={"scope": SCOPES}, filled=("query_id", "family_id"),
)  # fmt: skip
VIEW = Table({"family_id": "text", "text": "text", "complete": "bool"}, key=("family_id",), filled=("family_id",))
# Queries that are not families, with their own text, codes and date.
ASKED = Table(
    {"query_id": "text", "text": "text", "ipc": "list", "date": "text"},
    key=("query_id",), filled=("query_id", "text"),
)  # fmt: skip
# Text, codes and date are empty for queries that are families.
QUERIES = Table(
    {"query_id": "text", "split": "text", "text": "text", "ipc": "list", "date": "text"},
    key=("query_id",), among={"split": SPLITS}, filled=("query_id",),
)  # fmt: skip
QRELS = RELATIONS
# Families, and queries that are not families and never ranked. `before`: families dated before it count as earlier.
POOL = Table(
    {"family_id": "text", "date": "text", "before": "text", "split": "text", "ranked": "bool"},
    key=("family_id",), among={"split": SPLITS}, filled=("family_id",),
)  # fmt: skip
LABELS = Table(
    {"family_id": "text", "label_set": "text", "labels": "list", "split": "text"},
    key=("label_set", "family_id"), among={"split": SPLITS}, filled=("family_id", "label_set"),
)  # fmt: skip
LENGTHS = Table({"view": "text", "statistic": "text", "value": "float64"}, key=("view", "statistic"), finite=("value",))
