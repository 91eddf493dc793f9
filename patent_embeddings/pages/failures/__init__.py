"""What failed: test queries beside what should have been found and what was found instead, as data for a page."""
