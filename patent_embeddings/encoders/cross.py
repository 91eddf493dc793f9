"""Cross-encoders: one score for a query and a document read together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from sentence_transformers import CrossEncoder
from transformers.utils import logging

from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import loading, processes, weights
from patent_embeddings.encoders.base import resolve
from patent_embeddings.encoders.entries import Reranker

if TYPE_CHECKING:
    import numpy as np

BATCH = 32  # pairs of one forward pass


class Cross:
    """A loaded cross-encoder, on the GPU where there is one."""

    def __init__(self, entry: Reranker, dtype: str = "float32") -> None:
        """Load from this machine; raises UserError as `factory.encoder` does, and where it scores classes."""
        processes.settle()

        logging.disable_progress_bar()
        self.entry = entry
        folder = weights.locate(entry)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.dtype = resolve(dtype, self.device)
        loading.kind(entry, folder, ("CrossEncoder",))
        with loading.whole(entry, folder) as absent:
            self.model = CrossEncoder(
                str(folder),
                device=self.device,
                local_files_only=True,
                trust_remote_code=weights.consented(entry),
                max_length=entry.length,
                model_kwargs={"dtype": getattr(torch, self.dtype), "use_safetensors": not weights.pickles(folder)},
            )
        loading.worded(entry, folder, self.model.tokenizer, loading.rows(self.model))
        loading.finite(entry, folder, self.model, absent)
        if self.model.num_labels != 1:
            raise UserError(f"{entry.hub}: scores {self.model.num_labels} classes, not relevance; name another model in `rerank.model`")  # fmt: skip

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Relevance of (query, document) pairs, float32 [pairs]: logits, which a sigmoid would only tie."""

        if not pairs:
            return np.zeros(0, np.float32)
        scores = self.model.predict(
            list(pairs),
            batch_size=BATCH,
            activation_fn=torch.nn.Identity(),
            show_progress_bar=False,
            convert_to_tensor=True,
        )
        found: np.ndarray = scores.float().cpu().numpy()
        if not np.isfinite(found).all():
            query, document = pairs[int(np.flatnonzero(~np.isfinite(found))[0])]
            raise UserError(f"{self.entry.hub}: its score of {query[:60]!r} and {document[:60]!r} in {self.dtype} is not a number; {loading.precise(self.dtype)}")  # fmt: skip
        return found
