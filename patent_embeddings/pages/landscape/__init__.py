"""The page of a landscape: its contents in lines, pictures and tables."""
