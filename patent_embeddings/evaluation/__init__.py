"""What a landscape is scored by: retrieval, classification, clustering, their intervals, what others measured."""
