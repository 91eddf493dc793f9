"""Finished studies made with the library; nothing of the product imports them."""
