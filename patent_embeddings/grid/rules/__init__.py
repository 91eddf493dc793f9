"""Rules by which findings are judged, a module a kind."""
