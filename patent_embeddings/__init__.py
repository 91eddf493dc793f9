"""The library: packages import downwards only, from pages over grid, sharing and the rest to core."""
