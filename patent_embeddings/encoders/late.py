"""Late-interaction models: one vector a token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np

from patent_embeddings.encoders.base import Encoder
from patent_embeddings.encoders.specification import Options
from patent_embeddings.encoders.values import Embedder, Side


class Late(Encoder):
    """A late-interaction model: a vector for each token of a text."""

    model_class = "MultiVectorEncoder"
    kinds = ("MultiVectorEncoder", "ColBERT")

    def __init__(self, entry: Embedder, **options: Unpack[Options]) -> None:
        super().__init__(entry, **options)
        first = self.model[0]
        queries = self.query_length
        expansion = first.query_expansion
        if expansion and queries > expansion["length"]:
            # A patent as query is longer than the 32 tokens that queries are padded to: pad, do not cut.
            first.query_expansion = {**expansion, "strategy": "min"}
        if not expansion or queries >= expansion["length"]:
            first.query_length = queries
        first.document_length = self.length

    def prepare(self, texts: Sequence[str], side: Side) -> list[str]:
        """The texts as they are: the library tokenizes and batches them itself, and pads queries."""
        return list(texts)

    def compute(self, prepared: list[str], side: Side) -> tuple[np.ndarray, np.ndarray]:
        """Encode texts of one side.

        Returns float32 [tokens of all texts, dimension], and the first row of each text, int64 [texts].
        """
        if not prepared:
            return np.zeros((0, self.entry.dimension), np.float32), np.zeros(0, np.int64)
        encode = {"query": self.model.encode_query, "document": self.model.encode_document}.get(side, self.model.encode)
        size = self._batch(prepared, side)
        found = encode(prepared, prompt=self.prompt(side), batch_size=size, show_progress_bar=False)
        tokens = [matrix.float().cpu().numpy() for matrix in found]
        counts = np.array([len(matrix) for matrix in tokens], np.int64)
        return np.concatenate(tokens), np.cumsum(counts) - counts

    def _batch(self, texts: Sequence[str], side: Side) -> int:
        """Texts of a batch: as many of the longest as the token budget holds, at least one."""
        longest = self.prompt(side) + max(texts, key=len)
        tokens = len(self.tokenizer(longest, truncation=True, max_length=self.limit)["input_ids"])
        return max(1, self.budget // max(1, tokens))
