"""BM25 of long queries: every posting of a query's terms, scored from Lucene's own index.

A patent asks with hundreds of terms, for which Lucene's skipping does not pay. Scores are those of Lucene's searcher to
the last bit: each term's in float32, by the operations of its `BM25Similarity`, added in float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from patent_embeddings.core.arrays import Floats, Integers
from patent_embeddings.retrieval.lucene import Index


class Exhaustive:
    """Search of a Lucene index without its searcher; a term's postings are read once, when a query first has it."""

    def __init__(self, index: Index) -> None:
        self._index = index
        lengths = index.lengths()
        documents = np.flatnonzero(lengths)
        count, occurrences = index.statistics()
        mean = np.float32(occurrences / max(1, count))
        k1, b, one = np.float32(index.k1), np.float32(index.b), np.float32(1)
        self._count = count
        self._inverse = np.zeros(len(lengths), np.float32)
        scaled = b * lengths[documents].astype(np.float32) / mean
        self._inverse[documents] = one / (k1 * ((one - b) + scaled)) if k1 else np.float32(np.inf)
        self._postings: dict[str, tuple[Integers, Floats, np.float32]] = {}

    def search(self, texts: Sequence[str], k: int) -> tuple[Floats, Integers]:
        """The k best documents of each text, all of its terms counted; as `Index.search` gives them."""
        scores = np.full((len(texts), k), -np.inf, np.float32)
        rows = np.full((len(texts), k), -1, np.int64)
        queries = [[self._term(term, boost) for term, boost in self._index.weighed(text)] for text in texts]
        for place, found in enumerate(self._index.threads.map(self._scores, queries)):
            hits = np.flatnonzero(found)
            if len(hits) > k:
                hits = hits[np.argpartition(found[hits], len(hits) - k)[-k:]]
            hits = hits[np.argsort(-found[hits], kind="stable")]
            scores[place, : len(hits)], rows[place, : len(hits)] = found[hits], self._index.rows[hits]
        return scores, rows

    def _scores(self, terms: list[tuple[Integers, Floats, np.float32]]) -> Floats:
        """Score of each of Lucene's documents, float32, 0 where it has none of the terms."""
        total = np.zeros(len(self._inverse))
        for documents, divisors, weight in terms:
            total[documents] += weight - weight / divisors  # a document is there once
        return total.astype(np.float32)

    def _term(self, term: str, boost: np.float32) -> tuple[Integers, Floats, np.float32]:
        """Documents that have a term, what its weight is divided by in each, and its weight."""
        if term not in self._postings:
            documents, counts = self._index.postings(term)
            divisors = np.float32(1) + counts.astype(np.float32) * self._inverse[documents]
            having = len(documents)
            idf = np.float32(math.log(1 + (self._count - having + 0.5) / (having + 0.5)))
            self._postings[term] = documents, divisors, idf
        documents, divisors, idf = self._postings[term]
        return documents, divisors, boost * idf
