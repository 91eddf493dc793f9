"""The page of a grid of cells, its pictures and its tables."""
