"""Score against the length of the query."""

from __future__ import annotations

from patent_embeddings.pages.cell.binned import binned

PLOT = binned("words", "words of the query's text", "the length of the query's text")
