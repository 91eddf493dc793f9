"""Classifiers against the label prior, by label set."""

from __future__ import annotations

from patent_embeddings.pages.cell.plot import by_label_set

PLOT = by_label_set("classification", "micro-F1 by label set, with 95 % intervals. The prior is the floor.")
