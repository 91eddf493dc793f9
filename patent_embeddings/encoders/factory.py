"""Load an embedding model of the registry."""

from __future__ import annotations

from pathlib import Path

from patent_embeddings.core import distributed, meter
from patent_embeddings.encoders.base import Encoder
from patent_embeddings.encoders.dense import Dense
from patent_embeddings.encoders.late import Late
from patent_embeddings.encoders.self_test import encoder_checks, gate
from patent_embeddings.encoders.specification import Specification
from patent_embeddings.encoders.values import Embedder, Frozen


def encoder(
    entry: Embedder,
    *,
    length: int | None = None,
    dtype: str = "float32",
    adapter: Path | None = None,
    scale: float = 1.0,
    frozen: Frozen | None = None,
    tested: bool = True,
) -> Encoder:
    """Load a model from this machine, never from the network.

    `length`: tokens that texts are cut to; None: the entry's evaluation length.
    `dtype`: `float32`, `bfloat16`, or `auto`: bfloat16 where the device computes it natively.
    `adapter`: folder of a peft adapter, weighed by `scale`, 0 (zero-shot) to 1 (as trained).
    `frozen`: what the weights are kept in while an adapter is trained on them, over `dtype`; None: not for training.
    `tested`: test the model before its first use on this machine; see `self_test.gate`.

    Returns a `dense.Dense` or `late.Late` encoder, on the GPU where there is one. Raises UserError: the weights are not
    on this machine or not as pinned, need code that nobody agreed to run, do not fit the adapter, need a library for 4
    bits, or fail their test.
    """
    distributed.settle()  # before a library looks at the environment
    kind = Late if entry.encoder == "late" else Dense
    found = kind(entry, length=length, dtype=dtype, adapter=adapter, scale=scale, frozen=frozen)
    if tested:
        passed(found)
    meter.attach(found.model, found.device)  # costs are those of texts, not of the test
    return found


def opened(model: Specification) -> Encoder:
    """A model loaded and tested as `encoder` does; itself where it is loaded."""
    return model if isinstance(model, Encoder) else encoder(model.entry, **model.options)


def passed(encoder: Encoder) -> None:
    """Test a model unless it has passed on this machine with the same fingerprint; see `self_test.gate`."""
    key, findings = encoder.fingerprints(), lambda: encoder_checks.findings(encoder)
    gate.passed(encoder.entry, key, gate.ENCODER, findings, encoder.dtype, encoder.adapter)
