"""Benchmark of text embeddings on patents: one module a stage, `python -m stages.NAME`."""
