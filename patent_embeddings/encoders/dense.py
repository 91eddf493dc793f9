"""One vector a text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers.util import batch_to_device

from patent_embeddings.encoders import task_adapters
from patent_embeddings.encoders.base import Encoder
from patent_embeddings.encoders.values import Embedder, Side

_AHEAD = 2  # words that are read of a long text a token that is kept: what lies further on changes none of them


class Dense(Encoder):
    """A model that gives one vector a text.

    The library's own `encode` sorts by characters and fills batches by number of texts. A batch of its features that
    is cut to its longest text and filled by tokens gives the same vectors, and a sixth fewer positions for the titles
    and abstracts of patents.
    """

    model_class = "SentenceTransformer"
    kinds = ("SentenceTransformer",)
    late = False

    def __init__(self, entry: Embedder, **options: Any) -> None:
        super().__init__(entry, **options)
        self.model[0].unpad_inputs = False  # rows of a padded batch can be taken apart

    def prepare(self, texts: Sequence[str], side: Side) -> Mapping[str, Any]:
        """The library's features of texts of one side, all padded to the longest.

        The library makes tokens of whole texts and drops most of a long one's, which takes a sixth of the time of a
        small model for 20,000 characters. So long ones are cut before, unless that leaves too few tokens, or the
        library keeps more than the limit.
        """
        if not texts:
            return {}
        options = {"prompt": self.prompt(side), **self._task(side)}
        begun = list(texts)
        if self.tokenizer.truncation_side == "right":
            begun = [beginning(text, _AHEAD * self.limit) for text in texts]
        features: Mapping[str, Any] = self.model.preprocess(begun, **options)
        filled = (features["attention_mask"].sum(dim=1) == self.limit).tolist()
        if all(full or part == text for full, part, text in zip(filled, begun, texts, strict=True)):
            return features
        whole: Mapping[str, Any] = self.model.preprocess(list(texts), **options)
        return whole

    def compute(self, prepared: Mapping[str, Any], side: Side) -> np.ndarray:
        """Encode features of one side, in batches of as many texts of like length as the token budget holds.

        Returns float32 [texts, dimension], normalised only if the model itself does.
        """
        if not prepared:
            return np.zeros((0, self.entry.dimension), np.float32)
        if task_adapters.switches(self.entry):
            task_adapters.switch(self.entry, self.network, side)
        lengths = prepared["attention_mask"].sum(dim=1)
        order = torch.argsort(lengths, descending=True, stable=True)
        with torch.inference_mode():
            cut = (self._cut(prepared, rows, width) for rows, width in batches(order, lengths, self.budget))
            task = self._task(side)
            read = (self.model(batch_to_device(batch, self.device), **task) for batch in cut)
            found = torch.cat([features["sentence_embedding"] for features in read])
        vectors = torch.empty_like(found)
        vectors[order.to(found.device)] = found
        return vectors.float().cpu().numpy()

    def _task(self, side: Side) -> dict[str, str]:
        """What the library says of a text of a side, or the task of a model whose own code switches by it."""
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


def beginning(text: str, words: int) -> str:
    """As many words of a text as asked for, words being what stands between blanks."""
    rest = text.split(None, words)[words:]
    return text[: len(text) - len(rest[0])] if rest else text


def batches(order: torch.Tensor, lengths: torch.Tensor, budget: int) -> Iterator[tuple[torch.Tensor, int]]:
    """Runs of rows, in order of falling length, that fit in a budget of tokens when padded; at least one row each.

    Yields the rows, int64 [texts of the batch], and the length of the longest.
    """
    start = 0
    while start < len(order):
        width = max(1, int(lengths[order[start]]))
        end = start + max(1, budget // width)
        yield order[start:end], width
        start = end
