"""Rules by which findings are judged, one module for each kind."""
