"""The report of a cell: its results, the tables, sentences and pictures made of them, and its page."""
