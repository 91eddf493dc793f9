"""k-means against random vectors, by label set."""

from __future__ import annotations

from patent_embeddings.pages.cell.plot import by_label_set

PLOT = by_label_set("clustering", "AMI for each label set, with 95 % intervals; random vectors are the floor.")
