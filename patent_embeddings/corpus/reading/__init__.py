"""Reading files of any packing and encoding: archives, tables of text, spreadsheets and JSON."""
