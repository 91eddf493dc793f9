"""Score by the length of the query's text."""

from __future__ import annotations

from patent_embeddings.pages.cell.binned import binned

PLOT = binned("words", "words of the query's text", "the number of words of the query's text")
