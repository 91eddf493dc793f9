"""The command `find`: from its options to what it writes."""
