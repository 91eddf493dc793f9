"""Recipes and options that were meant to gain at home, harm nobody, and narrow the gap from IN to OUT."""
