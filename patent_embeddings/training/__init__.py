"""Tuning an adapter on the pairs of a recipe."""
