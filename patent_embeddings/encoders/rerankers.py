"""Opening a reranker of the registry."""

from __future__ import annotations

from patent_embeddings.core import meter, processes
from patent_embeddings.encoders import checking_pairs, trial
from patent_embeddings.encoders.cross import Cross
from patent_embeddings.encoders.values import Weights


def reranker(entry: Weights, *, dtype: str = "float32", tested: bool = True) -> Cross:
    """Load a cross-encoder from this machine, never from the network.

    `dtype` and `tested` are as those of `factory.encoder`. Raises UserError as that does, and where the model scores
    classes.
    """
    processes.settle()  # before a library looks at the environment
    found = Cross(entry, dtype)
    if tested:
        passed(found)
    meter.attach(found.model, found.device)  # costs are those of texts, not of the test
    return found


def passed(cross: Cross) -> None:
    """Test a reranker that has not passed here as it is; see `trial`."""
    key = [cross.fingerprint()]
    trial.passed(cross.entry, key, "checking_pairs", lambda: checking_pairs.findings(cross), cross.dtype)
