"""The comparison of two cells, query by query."""
