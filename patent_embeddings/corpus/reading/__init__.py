"""Files as they lie: plain, compressed or packed, and tables of text in them."""
