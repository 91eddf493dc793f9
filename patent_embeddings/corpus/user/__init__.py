"""Landscapes of the user's own: files, questions and judgements, added, replaced and removed."""
