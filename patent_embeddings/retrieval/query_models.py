"""Ad-hoc search: vectors of new texts, scores of the cross-encoder, passages of a family, and the seconds of each."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.arrays import Floats
from patent_embeddings.core.vectors import Vectors
from patent_embeddings.encoders.prompts import head
from patent_embeddings.retrieval.landscape import Landscape
from patent_embeddings.training import adapters

if TYPE_CHECKING:
    from patent_embeddings.encoders.base import Encoder
    from patent_embeddings.encoders.cross import Cross

PARTS = ("open", "model", "encode", "rank", "rerank")


class Clock:
    """A stopwatch for nested work: while an inner block runs, the outer one is paused."""

    def __init__(self) -> None:
        self.took = dict.fromkeys(PARTS, 0.0)
        self._at_work: list[str] = []
        self._since = time.perf_counter()

    @contextmanager
    def timing(self, part: str) -> Iterator[None]:
        """Add the block's seconds to one of `PARTS`."""
        self._count()
        self._at_work.append(part)
        try:
            yield
        finally:
            self._count()
            self._at_work.pop()

    def _count(self) -> None:
        now = time.perf_counter()
        if self._at_work:
            self.took[self._at_work[-1]] += now - self._since
        self._since = now


class Asking:
    """The models of a cell, loaded when first needed, and their results so far, so that none is computed twice."""

    def __init__(self, landscape: Landscape, clock: Clock) -> None:
        self._landscape, self._clock = landscape, clock
        self._vectors: dict[str, Vectors] = {}
        self._scores: dict[str, dict[str, float]] = {}  # of a question's text, by family

    @cached_property
    def _encoder(self) -> Encoder:
        """The cell's encoder with its adapter, as the stage `embed` loads it."""
        values = self._landscape.embed
        with self._loading():
            from patent_embeddings.encoders import factory

            adapter = adapters.sealed(layout.ADAPTER, values.model, values.trained)
            return factory.encoder(values.model, dtype=values.dtype, adapter=adapter, scale=values.adapter_scale)

    @cached_property
    def _cross(self) -> Cross:
        """The cell's reranker, as the stage `rerank` loads it."""
        values = self._landscape.rerank
        assert values.reranker is not None
        with self._loading():
            from patent_embeddings.encoders import rerankers

            return rerankers.reranker(values.reranker, dtype=values.dtype)

    @cached_property
    def _tokenizer(self) -> Any:
        with self._loading():
            from patent_embeddings.encoders import tokens

            return tokens.tokenizer(self._landscape.embed.model)

    @contextmanager
    def _loading(self) -> Iterator[None]:
        with self._clock.timing("model"):
            from patent_embeddings.encoders.loading import offline  # torch, which takes seconds

            with offline(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # peft's, of a base model that it does not ask the hub for
                yield

    def vectors(self, text: str) -> Vectors:
        """The vector of a question, or one per token, as the stage `embed` computes those of a query.

        Raises UserError: there is no model, or the vector is not finite.
        """
        if text not in self._vectors:
            encoder = self._encoder
            from patent_embeddings.encoders.engines import split
            from patent_embeddings.encoders.loading import offline
            from patent_embeddings.encoders.precision import require_numbers

            with self._clock.timing("encode"), offline():
                # Encoded alone, so that it does not depend on other questions.
                (found,) = split(encoder.encode([head(text, encoder.limit)], "query"))
            require_numbers(encoder, [text], [found])
            first = np.zeros(1, np.int64) if encoder.late else None
            self._vectors[text] = Vectors(Path("the question"), [text], np.atleast_2d(found), first)
        return self._vectors[text]

    def scores(self, text: str, families: Sequence[str]) -> Mapping[str, float]:
        """The reranker's score of each family for a question, and all its earlier scores for it.

        New families are scored together, as the stage `rerank` scores those of a query.
        """
        known = self._scores.setdefault(text, {})
        if new := [family for family in families if family not in known]:
            cross = self._cross
            from patent_embeddings.encoders.loading import offline
            from patent_embeddings.retrieval import reranking

            best = pd.DataFrame({"query_id": "q", "family_id": new, "rank": np.arange(1, len(new) + 1)})
            with self._clock.timing("rerank"), offline():
                label = f"rerank {self._landscape.name}"
                found = reranking.run(best, {"q": text}, self._landscape.documents, cross, label)
            known.update(zip(found["family_id"], found["score"].tolist(), strict=True))
        return known

    def remember(self, text: str, families: Sequence[str], scores: Floats) -> None:
        """Store the reranker's scores from the landscape's run."""
        self._scores.setdefault(text, {}).update(zip(families, scores.tolist(), strict=True))

    def windows(self, family: str) -> list[str]:
        """The passages of a family, as the stage `embed` cuts them."""
        passages, text = self._landscape.embed.passages, self._landscape.documents[family]
        assert passages.tokens is not None
        from patent_embeddings.encoders import windows

        return windows.cut([text], self._tokenizer, passages.tokens, passages.stride)[0]
