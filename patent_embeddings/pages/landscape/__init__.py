"""The page of a landscape: what it holds, in lines, pictures and tables."""
