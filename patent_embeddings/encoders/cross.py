"""Cross-encoders: one score for a query and a document read together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from sentence_transformers import CrossEncoder

from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import devices, fingerprints, loading, weights
from patent_embeddings.encoders.precision import precise, resolve
from patent_embeddings.encoders.values import Weights

BATCH = 32  # pairs of one forward pass
CODE = ("cross", "loading", "native")  # the modules of this package that can change a score


class Cross:
    """A loaded cross-encoder, on the GPU where there is one; `rerankers.reranker` opens and tests it."""

    adapter = None  # none is trained

    def __init__(self, entry: Weights, dtype: str = "float32") -> None:
        """Load a model from this machine. Raises UserError as `factory.encoder` does, and for a classifier."""
        self.entry = entry
        self.length = entry.length  # tokens of a pair
        self.folder = weights.locate(entry)
        device = devices.loaded()
        self.device, self.dtype = device.kind, resolve(dtype, device)
        make = partial(CrossEncoder, device=self.device, max_length=entry.length)
        self.model = loading.opened(entry, self.folder, ("CrossEncoder",), make, self.dtype, {})
        if (classes := self.model.num_labels) != 1:
            mend = "name another model in `rerank.model`"
            raise UserError(f"{entry.hub}: scores {classes} classes, not relevance; {mend}")

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Relevance of (query, document) pairs, float32 [pairs]. Raises UserError where one is NaN or infinite."""
        found = self.logits(pairs)
        if not np.isfinite(found).all():
            query, document = pairs[int(np.flatnonzero(~np.isfinite(found))[0])]
            what = f"its score of {query[:60]!r} and {document[:60]!r} in {self.dtype} is not a number"
            raise UserError(f"{self.entry.hub}: {what}; {precise(self.dtype)}")
        return found

    def logits(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Logits of (query, document) pairs, float32 [pairs]; a sigmoid would round large ones to ties."""
        if not pairs:
            return np.zeros(0, np.float32)
        options = {"batch_size": BATCH, "show_progress_bar": False, "convert_to_tensor": True}
        scores = self.model.predict(list(pairs), activation_fn=torch.nn.Identity(), **options)
        found: np.ndarray = scores.float().cpu().numpy()
        return found

    def fingerprints(self) -> list[dict[str, Any]]:
        """Everything that changes a score, as plain JSON values, under which the model's test is remembered."""
        foreign = fingerprints.foreign(self.model) if self.entry.remote_code else None
        own = {"foreign": foreign, "length": self.length, "dtype": self.dtype, "batch": BATCH}
        return [{**fingerprints.shared(self.entry, self.folder, CODE), **own}]
