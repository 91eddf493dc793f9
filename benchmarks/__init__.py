"""Speed and scale, against what people would use instead."""
