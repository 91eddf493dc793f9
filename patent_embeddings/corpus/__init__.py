"""Landscapes: where families come from, their views, tasks and judgements."""
