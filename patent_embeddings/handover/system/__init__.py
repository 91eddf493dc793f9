"""Export of a search system: one folder that ranks a landscape's families for a text without our code."""
