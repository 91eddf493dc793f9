"""k-means against random vectors, by label set."""

from __future__ import annotations

from patent_embeddings.pages.cell.plot import by_label_set

PLOT = by_label_set("clustering", "AMI by label set, with 95 % intervals. Random vectors are the floor.")
