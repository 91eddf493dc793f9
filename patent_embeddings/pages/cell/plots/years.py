"""Score against the age of what is sought, seen from the query."""

from __future__ import annotations

from patent_embeddings.pages.cell.binned import binned

PLOT = binned(
    "years",
    "years to the relevant families",
    "the whole years between a query and its relevant families (either way, their median; a query counts from its "
    "priority, or from its publication where that is unknown)",
)
