"""The cell, its runs, scores and tables in the formats of others: one writer a format."""
