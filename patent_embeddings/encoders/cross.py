"""Cross-encoders: one score for a query and a document read together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from sentence_transformers import CrossEncoder

from patent_embeddings.core import meter, processes
from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import loading, weights
from patent_embeddings.encoders.precision import precise, resolve
from patent_embeddings.encoders.values import Weights

BATCH = 32  # pairs of one forward pass


class Cross:
    """A loaded cross-encoder, on the GPU where there is one."""

    def __init__(self, entry: Weights, dtype: str = "float32") -> None:
        """Load from this machine; raises UserError as `factory.encoder` does, and where it scores classes."""
        processes.settle()
        self.entry = entry
        self.length = entry.length  # tokens of a pair
        folder = weights.locate(entry)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.dtype = resolve(dtype, self.device)
        make = partial(CrossEncoder, device=self.device, max_length=entry.length)
        self.model = loading.opened(entry, folder, ("CrossEncoder",), make, self.dtype, {})
        meter.attach(self.model, self.device)
        if (classes := self.model.num_labels) != 1:
            mend = "name another model in `rerank.model`"
            raise UserError(f"{entry.hub}: scores {classes} classes, not relevance; {mend}")

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Relevance of (query, document) pairs, float32 [pairs]: logits, which a sigmoid would only tie."""
        if not pairs:
            return np.zeros(0, np.float32)
        options = {"batch_size": BATCH, "show_progress_bar": False, "convert_to_tensor": True}
        scores = self.model.predict(list(pairs), activation_fn=torch.nn.Identity(), **options)
        found: np.ndarray = scores.float().cpu().numpy()
        if not np.isfinite(found).all():
            query, document = pairs[int(np.flatnonzero(~np.isfinite(found))[0])]
            what = f"its score of {query[:60]!r} and {document[:60]!r} in {self.dtype} is not a number"
            raise UserError(f"{self.entry.hub}: {what}; {precise(self.dtype)}")
        return found
