"""Encoders: every model of the registry read out in one way, its prompts, length and precision in one place."""
