"""The grid: many cells as DVC experiments, compared."""
