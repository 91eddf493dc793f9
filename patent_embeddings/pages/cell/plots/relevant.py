"""Score by the number of relevant families."""

from __future__ import annotations

from patent_embeddings.pages.cell.binned import binned

PLOT = binned("relevant", "relevant families of a query", "the number of relevant families of a query")
