"""Two cells against one another, query by query."""
