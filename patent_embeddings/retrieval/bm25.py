"""BM25 run of a landscape's queries, by scoring every posting, with the same bits as Lucene's searcher.

A patent as a query has hundreds of terms, too many for Lucene's skipping to save time. Frequent terms are scored by a
matrix product, the others by adding their postings. The product rounds differently from Lucene: documents that, within
the bound of that error, may be among the k best are scored again, each term in float32 by the operations of Lucene's
`BM25Similarity`, summed in float64.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from patent_embeddings.core.arrays import Doubles, Floats, Integers
from patent_embeddings.core.params import Bm25
from patent_embeddings.core.threads import threads
from patent_embeddings.corpus.pool import candidates
from patent_embeddings.retrieval import lucene, ranking

Texts = Mapping[str, str]

_TEXTS = 1000  # texts whose terms are held at once
_BITS = 32
_FLIGHT = 1024  # queries in flight: parts enough for every thread
_COMMON = 1 / 16  # of the documents: terms in more of them are scored faster by the product (measured)
_DENSE = 1 << 30  # bytes of the product's matrix, at most
_HELD = 1 << 24  # scores that a thread holds at once, at most
_PART = 128  # queries that a thread searches for at once: enough for a product of matrices to be fast
_SAMPLE = 16  # one document in so many is sampled to estimate a query's k-th best score
_SURE = 4  # standard deviations subtracted from that estimate
_EXACT = 24  # lengths below this are stored exactly
_ONE = np.float32(1)
_TINY = np.finfo(np.float32).tiny
_INFINITE = np.float32(1e30)  # for 1 / 0 where k1 is 0: 1 plus it is itself, and 0 times it is 0


def run(
    documents: Texts, queries: Texts, pool: pd.DataFrame, settings: Bm25, *, earlier: bool, label: str
) -> Iterator[pd.DataFrame]:
    """BM25 run of queries over documents, rows of `RUN`, some queries at a time.

    Lucene's BM25 (Kamphuis et al., "Which BM25 do you mean?", ECIR 2020) with Pyserini's default English analysis:
    Porter stems, stop words dropped; a query's terms count as often as they occur, or are weighted too, see
    `lucene.Index`. Scored by `Exhaustive`, which gives the same bits as Lucene's searcher and is faster for a thousand
    hits, even for one term. `documents` and `queries` are texts by id, ids ascending; an empty document is never found.
    `pool`: rows of `POOL`. `earlier`: rank only families dated before the query. Raises UserError: no usable Java, or
    ids that are not in the pool.
    """
    families, asked = list(documents), list(queries)
    open_ = candidates(families, asked, pool, earlier=earlier)
    # A text that is document and query is analysed once.
    places = {text: place for place, text in enumerate(dict.fromkeys([*documents.values(), *queries.values()]))}
    counts = counted(lucene.analysed(list(places), f"{label}: terms"))
    options = settings.model_dump(include={"k1", "b", "query_side"})
    searched = Exhaustive(counts[[places[text] for text in documents.values()]], **options)
    wanted = counts[[places[text] for text in queries.values()]]
    with threads() as workers:

        def search(part: Integers, k: int) -> tuple[Floats, Integers]:
            return searched.search(wanted[part], k, workers)

        scores, rows = ranking.retrieve(search, open_, settings.depth, label=label, block=_FLIGHT)
    return ranking.parts(asked, families, scores, rows)


@dataclass(frozen=True)
class _Query:
    """Terms of a query that occur in documents, and their weights, float32."""

    columns: Integers  # of the matrix of common terms
    weights: Floats
    rare: Integers
    rare_weights: Floats

    @property
    def total(self) -> float:
        """Sum of all weights: an upper bound of any score."""
        return float(self.weights.sum(dtype=np.float64) + self.rare_weights.sum(dtype=np.float64))


class Exhaustive:
    """BM25 over documents and queries given as counts of terms."""

    def __init__(self, counts: sparse.csr_array, *, k1: float, b: float, query_side: bool = False) -> None:
        """`counts`: occurrences of terms in documents, [documents, terms]; the other arguments as in `lucene.Index`."""
        self._k1, self._b, self._query_side = np.float32(k1), np.float32(b), query_side
        lengths = counts.sum(axis=1, dtype=np.int64)
        documents, occurrences = int((lengths > 0).sum()), int(lengths.sum())
        # For `query_side` Lucene's order of operations differs: the mean in float32, and length / mean first.
        self._query_mean = np.float32(max(1, occurrences)) / np.float32(max(1, documents))
        scaled = self._b * rounded(lengths).astype(np.float32) / np.float32(max(1, occurrences) / max(1, documents))
        with np.errstate(divide="ignore"):
            self._inverse = np.minimum(_ONE / (self._k1 * ((_ONE - self._b) + scaled)), _INFINITE)
        self._having = np.bincount(counts.indices, minlength=counts.shape[1])
        rarity = 1 + (documents - self._having + 0.5) / (self._having + 0.5)
        self._idf = np.array([math.log(value) for value in rarity.tolist()], np.float32)

        width = np.min_scalar_type(int(counts.data.max(initial=0)))
        most = _DENSE // max(1, len(lengths) * (4 + width.itemsize))
        order = np.argsort(-self._having, kind="stable")[:most]
        common = order[self._having[order] >= max(1, _COMMON * len(lengths))]
        self._column = np.full(counts.shape[1], -1)
        self._column[common] = np.arange(len(common))
        rows = np.repeat(np.arange(len(lengths), dtype=np.int32), np.diff(counts.indptr))
        columns, often = self._column[counts.indices], counts.data.astype(np.float32)
        divisors = _ONE + often * self._inverse[rows]
        dense = columns >= 0
        # What a term adds to a score, before its weight.
        self._shares = np.zeros((len(lengths), len(common)), np.float32)
        self._shares[rows[dense], columns[dense]] = _ONE - _ONE / divisors[dense]
        self._counts = np.zeros(self._shares.shape, width)
        self._counts[rows[dense], columns[dense]] = counts.data[dense]
        order = np.flatnonzero(~dense)[np.argsort(counts.indices[~dense], kind="stable")]
        self._documents, self._divisors = rows[order], divisors[order]
        self._room = _Room()
        self._first = np.append(0, np.cumsum(np.where(self._column < 0, self._having, 0)))

    def search(self, counts: sparse.csr_array, k: int, pool: ThreadPoolExecutor) -> tuple[Floats, Integers]:
        """The k best documents of each query, of equals the first by row, in any order.

        `counts` are [queries, terms], with the documents' terms.
        `pool`: from `core.threads`, so that each thread computes its own products.

        Returns scores, float32 [queries, k], and rows of documents, int64 [queries, k]; past the last hit -inf and -1.
        """
        scores = np.full((counts.shape[0], k), -np.inf, np.float32)
        rows = np.full((counts.shape[0], k), -1, np.int64)
        size = max(1, min(_PART, _HELD // max(1, len(self._inverse))))

        def part(start: int) -> None:
            queries = self._queries(counts[start : start + size])
            weights = np.zeros((len(queries), self._shares.shape[1]), np.float32)
            for row, query in zip(weights, queries, strict=True):
                row[query.columns] = query.weights
            near = self._room.array("products", (len(queries), len(self._inverse)), np.float32)
            np.matmul(weights, self._shares.T, out=near)
            for place, query in enumerate(queries):
                score, hits = self._best(query, near[place], k)
                scores[start + place, : len(hits)], rows[start + place, : len(hits)] = score, hits

        list(pool.map(part, range(0, counts.shape[0], size)))
        return scores, rows

    def _queries(self, counts: sparse.csr_array) -> list[_Query]:
        """Terms and weights of queries."""
        found = []
        for start, end in zip(counts.indptr, counts.indptr[1:], strict=False):
            terms, often = counts.indices[start:end], counts.data[start:end].astype(np.float32)
            boosts = often
            if self._query_side:
                norm = (_ONE - self._b) + self._b * (often.sum(dtype=np.float32) / self._query_mean)
                boosts = self._idf[terms] * (often / (often + self._k1 * norm))
            weights, columns, had = boosts * self._idf[terms], self._column[terms], self._having[terms] > 0
            rare = had & (columns < 0)
            found.append(_Query(columns[columns >= 0], weights[columns >= 0], terms[rare], weights[rare]))
        return found

    def _best(self, query: _Query, near: Floats, k: int) -> tuple[Floats, Integers]:
        """Scores and rows of a query's k best; `near`, the product's scores, is overwritten."""
        room = self._room.array
        rare = self._rare(query)
        rounded = room("rounded", near.shape, np.float32)
        rounded[:] = rare
        near += rounded
        # Each share has the error of 2 roundings of its weight, as Lucene's has; then the product and the sums round.
        error = (self._shares.shape[1] + 8) * 2.0**-24 * query.total
        places = _near(near, k, error)
        scores = rare[places]
        if columns := len(query.columns):
            rows = room("rows", (len(places), self._counts.shape[1]), self._counts.dtype)
            # With mode `clip` numpy writes into `out` without a copy.
            self._counts.take(places, axis=0, out=rows, mode="clip")
            added, weights = room("added", (columns, len(places)), np.float32), query.weights[:, None]
            added[:] = rows.T[query.columns]
            added *= self._inverse[places]
            added += _ONE
            np.divide(weights, added, out=added)
            np.subtract(weights, added, out=added)
            scores += added.sum(axis=0, dtype=np.float64)
        found = scores.astype(np.float32)
        if len(found) > k:
            found, places = (each[0] for each in ranking.best(found[None], places[None], k))
        return found, places

    def _rare(self, query: _Query) -> Doubles:
        """Part of each document's score that a query's rare terms contribute, float64."""
        room = self._room.array
        total = room("total", self._inverse.shape, np.float64)
        total.fill(0)
        if len(query.rare):
            spans = [slice(self._first[term], self._first[term + 1]) for term in query.rare.tolist()]
            weights = np.repeat(query.rare_weights, self._having[query.rare])
            added, places = room("postings", weights.shape, np.float32), room("places", weights.shape, np.int64)
            np.concatenate([self._divisors[span] for span in spans], out=added)
            np.divide(weights, added, out=added)
            np.subtract(weights, added, out=added)
            np.concatenate([self._documents[span] for span in spans], out=places)
            exact = room("exact", weights.shape, np.float64)
            exact[:] = added
            np.add.at(total, places, exact)  # without a conversion of types, which takes 30 times as long
        return total


class _Room(threading.local):
    """Arrays that a thread uses again: page faults of new ones take longer than the computation."""

    def __init__(self) -> None:
        self._held: dict[str, npt.NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """An array of this shape, with arbitrary content."""
        size = math.prod(shape)
        if name not in self._held or len(self._held[name]) < size:
            self._held[name] = np.empty(size + size // 4, dtype)
        return self._held[name][:size].reshape(shape)


def counted(texts: Iterable[Sequence[str]]) -> sparse.csr_array:
    """How often each text has each term, int32 [texts, terms]; terms are numbered as they first occur."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    left = iter(texts)
    terms, counts, held = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)], [np.zeros(1, np.int64)]
    while batch := list(islice(left, _TEXTS)):
        lengths = np.fromiter(map(len, batch), np.int64, len(batch))
        found = np.fromiter(map(numbers.__getitem__, chain.from_iterable(batch)), np.int64, lengths.sum())
        # Text and term as one number, which numpy sorts fastest.
        pairs, often = np.unique(np.repeat(np.arange(len(batch)), lengths) << _BITS | found, return_counts=True)
        terms.append(pairs.astype(np.int32))
        counts.append(often.astype(np.int32))
        held.append(np.bincount(pairs >> _BITS, minlength=len(batch)))
    pointers = np.cumsum(np.concatenate(held))
    shape = (len(pointers) - 1, len(numbers))
    return sparse.csr_array((np.concatenate(counts), np.concatenate(terms), pointers), shape=shape)


def rounded(lengths: Integers) -> Integers:
    """Lengths as Lucene stores them in a byte: `byte4ToInt(intToByte4(length))` of its `SmallFloat`."""
    over = np.maximum(lengths - _EXACT, 0)
    shift = np.maximum(np.frexp(over)[1] - 4, 0)  # four bits are kept
    return np.where(lengths < _EXACT, lengths, _EXACT + (over >> shift << shift))


def _near(scores: Floats, k: int, error: float) -> Integers:
    """Positions of scores above 0 that may be among the k best, given an error of each of at most `error`.

    A sample gives a first cut, because partitioning a whole row takes ten times as long; the k-th best gives the final.
    """
    sample, share = scores[::_SAMPLE], k / _SAMPLE
    rank = int(share + _SURE * share**0.5) + 1
    cut = max(_TINY, np.partition(sample, -rank)[-rank]) if rank < len(sample) else _TINY
    while True:
        places = np.flatnonzero(scores >= cut)
        found, least = scores[places], _TINY
        if len(found) >= k:
            least = max(_TINY, np.float32(np.partition(found, len(found) - k)[len(found) - k] - 2 * error))
        if least >= cut:
            return places[found >= least]
        cut = least
