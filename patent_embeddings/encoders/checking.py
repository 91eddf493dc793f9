"""What a loaded model does, held against what its registry entry says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from patent_embeddings.encoders.base import Encoder
from patent_embeddings.encoders.engines import split


def findings(encoder: Encoder) -> Iterator[tuple[str, str, bool]]:
    """What a loaded model does, against its entry: (what, detail, whether it fits)."""
    entry, tolerance = encoder.entry, 1e-4 if encoder.dtype == "float32" else 3e-2
    short, long = "A pump.", "A valve with a spring that closes a duct when the pressure falls. " * 40
    alone, batched = split(encoder.encode([short], "document"))[0], split(encoder.encode([long, short], "document"))[1]
    query = split(encoder.encode([short], "query"))[0]
    yield "dimension", f"{alone.shape[-1]}, entry {entry.dimension}", alone.shape[-1] == entry.dimension
    yield "finite", "every value is a number", bool(np.isfinite(alone).all() and np.isfinite(batched).all())
    norms = np.linalg.norm(np.atleast_2d(alone), axis=1)
    yield "norm", f"{norms.min():.4f} to {norms.max():.4f}", bool(norms.min() > 0)
    same = alone.shape == batched.shape
    apart = float(np.abs(alone - batched).max()) if same else float("inf")
    yield "padding", f"alone and in a batch differ by {apart:.1e}", apart <= tolerance
    like = query.shape == alone.shape and float(np.abs(query - alone).max()) <= tolerance
    prompted = encoder.prompt("query") != encoder.prompt("document") or entry.tasks is not None
    sided = prompted or entry.encoder == "late"
    vectors_are, prompts_are = "equal" if like else "different", "differ" if prompted else "are the same"
    yield "sides", f"query and document vectors of one text are {vectors_are}, prompts {prompts_are}", like != sided
    sides: tuple[Literal["query", "document"], ...] = ("query", "document")
    for side in sides:
        own, used = (encoder.model.prompts or {}).get(side), encoder.prompt(side)
        if own and own != used:
            yield "prompt", f"{side}: the entry's {used!r} is used, the weights name {own!r}", True
