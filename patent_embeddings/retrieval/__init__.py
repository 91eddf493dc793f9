"""Ranking the families of a landscape: BM25, exact dense search, fusion of both, and a second stage."""
