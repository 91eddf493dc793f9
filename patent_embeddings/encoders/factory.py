"""Load an embedding model of the registry."""

from __future__ import annotations

from typing import Unpack

from patent_embeddings.core import distributed, meter
from patent_embeddings.encoders.base import Encoder
from patent_embeddings.encoders.dense import Dense
from patent_embeddings.encoders.late import Late
from patent_embeddings.encoders.self_test import encoder_checks, gate
from patent_embeddings.encoders.specification import Options, Specification
from patent_embeddings.encoders.values import Embedder


def encoder(entry: Embedder, *, tested: bool = True, **options: Unpack[Options]) -> Encoder:
    """Load a model from this machine, never from the network, and test it before its first use; see `self_test.gate`.

    Returns a `dense.Dense` or `late.Late` encoder, on the GPU where there is one. Raises UserError: the weights are not
    on this machine or not as pinned, need code that nobody agreed to run, do not fit the adapter, need a library for 4
    bits, keep nothing of a text besides its prompt, or fail their test.
    """
    distributed.settle()  # before a library looks at the environment
    found = (Late if entry.encoder == "late" else Dense)(entry, **options)
    if tested:
        passed(found)
    meter.attach(found.model, found.device)  # costs are those of texts, not of the test
    return found


def opened(model: Specification) -> Encoder:
    """A model loaded and tested as `encoder` does; itself where it is loaded."""
    return model if isinstance(model, Encoder) else encoder(model.entry, **model.options)


def passed(encoder: Encoder) -> None:
    """Test a model unless it has passed on this machine; see `self_test.gate`."""
    gate.passed(encoder, encoder_checks)
