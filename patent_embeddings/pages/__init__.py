"""Pages that carry everything inside: one shell, one style sheet, one way to set a table or a picture."""
