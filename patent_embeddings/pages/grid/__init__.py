"""The page of the grid and what else a grid of cells comes to."""
