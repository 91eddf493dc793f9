"""Exports of a cell, its runs, scores and tables in the formats of other tools; one module for each format."""
