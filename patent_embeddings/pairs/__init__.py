"""Training pairs of a recipe: one module a signal, combined draws on them, batches with their conflicts."""
