"""Dense models: one vector a text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Unpack

import numpy as np
import torch
from sentence_transformers.util import batch_to_device

from patent_embeddings.encoders import task_adapters
from patent_embeddings.encoders.base import Encoder
from patent_embeddings.encoders.prompts import head
from patent_embeddings.encoders.specification import Options
from patent_embeddings.encoders.values import Embedder, Side


class Dense(Encoder):
    """A model that gives one vector a text.

    `SentenceTransformer.encode` sorts texts by characters and fills batches by number of texts. Batches of its features
    that are filled by tokens and cut to their longest text give the same vectors, and have a sixth fewer positions for
    titles and abstracts of patents.
    """

    model_class = "SentenceTransformer"
    kinds = ("SentenceTransformer",)

    def __init__(self, entry: Embedder, **options: Unpack[Options]) -> None:
        super().__init__(entry, **options)
        first = self.model[0]
        first.unpad_inputs = False  # rows of a padded batch can be taken apart
        # Settings of late interaction, which a file of the weights may hold and which would go before `length`.
        first.query_length = first.document_length = first.query_expansion = None

    def prepare(self, texts: Sequence[str], side: Side) -> Mapping[str, Any]:
        """Features of texts of one side as sentence-transformers makes them, all padded to the longest.

        The library tokenizes whole texts and then drops all but the first tokens, which takes a sixth of the time of a
        small model for texts of 20,000 characters. So long texts are cut before, and tokenized whole only where that
        leaves too few tokens, or where the library keeps more than `limit`.
        """
        if not texts:
            return {}
        options = {"prompt": self.prompt(side), **self._task(side)}
        begun = [head(text, self.limit) for text in texts]
        features: Mapping[str, Any] = self.model.preprocess(begun, **options)
        filled = (features["attention_mask"].sum(dim=1) == self.limit).tolist()
        if all(full or part == text for full, part, text in zip(filled, begun, texts, strict=True)):
            return features
        whole: Mapping[str, Any] = self.model.preprocess(list(texts), **options)
        return whole

    def compute(self, prepared: Mapping[str, Any], side: Side) -> np.ndarray:
        """Encode features of one side, in batches of as many texts of like length as the token budget holds.

        Returns float32 [texts, dimension], normalised only if the model itself does; 0 for a text without any token.
        """
        lengths = prepared["attention_mask"].sum(dim=1) if prepared else torch.zeros(0)
        order = torch.argsort(lengths, descending=True, stable=True)[: int((lengths > 0).sum())]
        if not len(order):
            return np.zeros((len(lengths), self.entry.dimension), np.float32)
        if task_adapters.switches(self.entry):
            task_adapters.switch(self.entry, self.network, side)
        with torch.inference_mode():
            cut = (self._cut(prepared, rows, width) for rows, width in batches(order, lengths, self.budget))
            task = self._task(side)
            read = (self.model(batch_to_device(batch, self.device), **task) for batch in cut)
            found = torch.cat([features["sentence_embedding"] for features in read])
        vectors = found.new_zeros(len(lengths), found.shape[1])
        vectors[order.to(found.device)] = found
        return vectors.float().cpu().numpy()

    def _task(self, side: Side) -> dict[str, str]:
        """The argument by which the library, or the code of a model's repository, tells sides or tasks apart."""
        if self.entry.tasks and not task_adapters.switches(self.entry):
            return {"task": getattr(self.entry.tasks, side)}
        return {"task": side} if side in ("query", "document") else {}

    def _cut(self, features: Mapping[str, Any], rows: torch.Tensor, width: int) -> dict[str, Any]:
        """Some rows of features, without columns that are padding in all of them."""
        shape = features["attention_mask"].shape
        columns = slice(0, width) if self.tokenizer.padding_side == "right" else slice(shape[1] - width, None)
        return {
            name: value[rows][:, columns] if isinstance(value, torch.Tensor) and value.shape[:2] == shape else value
            for name, value in features.items()
        }


def batches(order: torch.Tensor, lengths: torch.Tensor, budget: int) -> Iterator[tuple[torch.Tensor, int]]:
    """Cut rows into batches that fit in a budget of tokens when padded, at least one row each.

    `order` are rows by falling length, at least 1. Yields the rows of a batch, int64 [texts], and its longest length.
    """
    start = 0
    while start < len(order):
        width = int(lengths[order[start]])
        end = start + max(1, budget // width)
        yield order[start:end], width
        start = end
