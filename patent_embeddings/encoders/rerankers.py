"""Load a reranker of the registry."""

from __future__ import annotations

from patent_embeddings.core import distributed, meter
from patent_embeddings.encoders.cross import Cross
from patent_embeddings.encoders.self_test import gate, reranker_checks
from patent_embeddings.encoders.values import Weights


def reranker(entry: Weights, *, dtype: str = "float32", tested: bool = True) -> Cross:
    """Load a cross-encoder from this machine, never from the network.

    `dtype` and `tested` are as in `factory.encoder`. Raises UserError as that does, and for a classifier.
    """
    distributed.settle()  # before a library looks at the environment
    found = Cross(entry, dtype)
    if tested:
        gate.passed(found, reranker_checks)
    meter.attach(found.model, found.device)  # costs are those of texts, not of the test
    return found
