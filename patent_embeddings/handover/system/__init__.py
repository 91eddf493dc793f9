"""The winner handed over: one folder that ranks a landscape's families for a text, without any of our code."""
