"""Score by the years between a query and its relevant families."""

from __future__ import annotations

from patent_embeddings.pages.cell.binned import binned

PLOT = binned(
    "years",
    "years between query and relevant families",
    "the years between a query and its relevant families (whole years, the median over these families; dates are a "
    "family's publication and a query's priority, or its publication where that is unknown)",
)
