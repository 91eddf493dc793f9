"""Fine-tuning an adapter on the pairs of a recipe."""
