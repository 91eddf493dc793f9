"""The documents nearest to each query by inner product, exactly.

Products of matrices propose, pairs by themselves decide. Such a product rounds by the place of a number in it, by its
processor and by its precision, so no score is taken from one. A score is the float32 inner product of two vectors by
themselves, added in one fixed order: equal vectors score the same wherever they stand, and what is found has the same
bytes however its candidates were.

**Candidates.** Let c be a document's score, v its exact product of matrices before the last rounding, a = r(v) what
comes out (r rounds to float32 or bfloat16), and |c - v| <= e for all documents of a query. Let t be the k-th largest a.
|v - a| <= u |a| for each, u half a unit in the last place. So k documents have v >= t - u|t|, and c >= t - u|t| - e: so
has the k-th best. What is among the k best, or ties with the last of them, has c >= that too, thus v >= t - u|t| - 2e,
and, since r never falls where its argument rises, a >= r(t - u|t| - 2e). Documents below that cut are no candidates.

**The bound e.** With x~ and y~ the vectors as they are multiplied, and g(n) = n 2^-24 / (1 - n 2^-24):
|x.y - x~.y~| <= |x - x~| |y| + |x~| |y - y~| (Cauchy and Schwarz), |v - x~.y~| <= g(2n) |x~| |y~| and
|c - x.y| <= g(n) |x| |y|, in whatever order a sum is taken (Higham, "Accuracy and Stability of Numerical Algorithms",
section 3.1; 2n, as the instruction for bfloat16 rounds products and sums). Lengths are the longest document's, taken
from the vectors and rounded up; numbers too small to be normal, which that instruction takes for 0, are in a constant.
In float32 x~ is x: e is 2e-4 of unit vectors of 1,024 dimensions. In bfloat16 it is .004.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import faiss
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from patent_embeddings.core.arrays import Doubles, Floats, Integers, Places, Search
from patent_embeddings.encoders import devices
from patent_embeddings.retrieval import ranking

_TILE = 1 << 20  # scores of a tile of documents and queries: 4 MiB, which a cache holds
_HELD = 1 << 24  # candidates held at once: bounds memory, not the result
_SHARE = 512  # queries that a thread searches for at once
_SAMPLE = 32  # one document in so many says where a query's cut may be
_LEAST = 1024  # documents of a sample
_SURE = 4  # deviations by which a cut from a sample is lower than it seems
_LARGE = 2e12  # operations of a search above which bfloat16 is worth the seconds that torch takes to load
_WIDE = 16  # one document in so many may be kept by a bound, or float32 is faster
_TINY = 2.0**-90  # more than all numbers that are too small to be normal, multiplied and added, of a row
_LEAST_LENGTH = 2.0**-55  # more than a vector has whose squares are all 0


class _Product(Protocol):
    """Products of tiles of documents with queries, in some precision."""

    size: int  # documents

    def ask(self, queries: Floats) -> tuple[Any, Doubles]:
        """Queries as they are multiplied, and their bound e, [queries]."""

    def cut(self, scores: Floats, error: Doubles) -> Floats:
        """r(t - u|t| - 2e) of the module, float32 [queries]."""

    def sample(self, asked: Any, step: int) -> Floats:
        """Scores of one document in `step`, [documents, queries]."""

    def above(self, asked: Any, cut: Floats, step: int) -> Iterator[tuple[Integers, Floats]]:
        """Of each `step` documents places, in [step, queries], and scores of what is at least a query's cut."""


class _Float32:
    """By numpy: its OpenBLAS is level with oneDNN, and with MKL where that is at its best."""

    def __init__(self, documents: Floats) -> None:
        self.documents, self.size, self.longest = documents, len(documents), _longest(documents)

    def ask(self, queries: Floats) -> tuple[Floats, Doubles]:
        n = queries.shape[1]
        return queries, (_sums(2 * n) + _sums(n)) * _lengths(queries) * self.longest + _TINY

    def cut(self, scores: Floats, error: Doubles) -> Floats:
        return _lowered(scores, 2.0**-24, error).astype(np.float32)

    def sample(self, asked: Floats, step: int) -> Floats:
        found: Floats = np.ascontiguousarray(self.documents[::step]) @ asked.T
        return found

    def above(self, asked: Floats, cut: Floats, step: int) -> Iterator[tuple[Integers, Floats]]:
        scores = np.empty((step, len(asked)), np.float32)
        high = np.empty(scores.shape, dtype=bool)
        for part in (self.documents[first : first + step] for first in range(0, self.size, step)):
            np.matmul(part, asked.T, out=scores[: len(part)])
            np.greater_equal(scores[: len(part)], cut, out=high[: len(part)])
            places = np.flatnonzero(high[: len(part)])
            yield places, scores.ravel()[places]


class _Bfloat16:
    """By torch's oneDNN, which adds in float32 and rounds once."""

    def __init__(self, documents: Floats) -> None:
        import torch  # which takes seconds: small searches do without

        self.torch, self.size = torch, len(documents)
        self.documents = torch.empty(documents.shape, dtype=torch.bfloat16)
        self.longest, self.lost = _longest(documents), 0.0
        for first in range(0, len(documents), _LEAST):  # in parts: nothing is whole in float32 again
            part = documents[first : first + _LEAST].copy()  # of a file: torch warns of what it may not write to
            rounded = self.documents[first : first + _LEAST].copy_(torch.from_numpy(part))
            self.lost = max(self.lost, _longest(part - rounded.float().numpy()))

    def ask(self, queries: Floats) -> tuple[Any, Doubles]:
        n, asked = queries.shape[1], self.torch.from_numpy(queries).bfloat16()
        length, lost = _lengths(queries), _lengths(queries - asked.float().numpy())
        # A rounded vector is no longer than itself and what it lost.
        error = lost * self.longest + (length + lost) * self.lost
        error += _sums(2 * n) * (length + lost) * (self.longest + self.lost) + _sums(n) * length * self.longest
        return asked, error + _TINY

    def cut(self, scores: Floats, error: Doubles) -> Floats:
        lowered = self.torch.from_numpy(_lowered(scores, 2.0**-8, error))
        found: Floats = lowered.bfloat16().float().numpy()
        return found

    def sample(self, asked: Any, step: int) -> Floats:
        return (self.documents[::step].contiguous() @ asked.T).float().numpy()

    def above(self, asked: Any, cut: Floats, step: int) -> Iterator[tuple[Integers, Floats]]:
        torch, least = self.torch, self.torch.from_numpy(cut).bfloat16()
        scores = torch.empty((step, len(asked)), dtype=torch.bfloat16)
        high = torch.empty(scores.shape, dtype=torch.bool)
        for part in torch.split(self.documents, step):
            torch.mm(part, asked.T, out=scores[: len(part)])
            torch.ge(scores[: len(part)], least, out=high[: len(part)])
            places = np.flatnonzero(high[: len(part)].numpy())
            yield places, scores.flatten()[torch.from_numpy(places)].float().numpy()


def search(queries: Floats, documents: Floats, *, halved: bool | None = None) -> Search:
    """Exact search by inner product over float32 [queries, dimension] and [documents, dimension].

    `halved`: whether candidates are proposed in bfloat16; None: where this processor multiplies it natively, and the
    search is large. It decides no byte of what is found. What is found falls along its row, equal scores by row.
    """
    queries, documents = np.ascontiguousarray(queries), np.ascontiguousarray(documents)
    if halved is None:
        halved = 2.0 * len(queries) * documents.size > _LARGE and devices.processor().halves
    products: list[_Product] = [_Bfloat16(documents)] if halved else []
    products.append(_Float32(documents))

    def nearest(part: Integers, k: int) -> tuple[Floats, Integers]:
        return _each(lambda some: _nearest(products, queries[some], documents, min(k, len(documents))), part)

    return nearest


def _each(find: Callable[[Integers], tuple[Floats, Integers]], part: Integers) -> tuple[Floats, Integers]:
    """What is found for some queries, each thread of the processor with a share of them and alone with it."""
    threads = faiss.omp_get_max_threads()
    if len(part) < 2 * threads:
        return find(part)
    shares = np.array_split(part, -(-len(part) // _SHARE) if len(part) > threads * _SHARE else threads)
    # OpenMP has a number for each thread that starts some.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads, "", threadpool_limits, (1, "openmp")) as pool:
        scores, rows = (np.concatenate(each) for each in zip(*pool.map(find, shares), strict=True))
    return scores, rows


def _nearest(
    products: Sequence[_Product], queries: Floats, documents: Floats, k: int, doubt: float = _SURE
) -> tuple[Floats, Integers]:
    """The k best of each query; what the sample misled about is looked for again with more doubt in it."""
    product, ready, error, cut = _chosen(products, queries, k, doubt)
    found = _gathered(product, ready, cut)
    if found is None:  # more than may be held at once
        halves = (_nearest(products, half, documents, k, doubt) for half in np.array_split(queries, 2))
        scores, rows = (np.concatenate(each) for each in zip(*halves, strict=True))
        return scores, rows
    query, document, proposed = found
    order = np.argsort(query.astype(np.uint16), kind="stable")  # 16 bits are sorted by counting
    counts = np.bincount(query, minlength=len(queries))
    last = np.partition(_table(proposed[order], counts, k, -np.inf), -k, axis=1)[:, -k]
    final = product.cut(last, error)
    settled = np.isneginf(cut) | (counts >= k) & (final >= cut)
    kept = proposed >= np.where(settled, final, np.inf)[query]
    query, exact = query[kept], np.empty_like(proposed)
    exact[kept] = score(queries, documents, query, document[kept])  # by document: one after another in the cache
    order, counts = order[kept[order]], np.bincount(query, minlength=len(queries))
    scores, rows = _table(exact[order], counts, k, -np.inf), _table(document[order], counts, k, -1)
    scores, rows = ranking.best(scores, rows, k)
    if not settled.all():
        again = ~settled
        scores[again], rows[again] = _nearest(products, queries[again], documents, k, 8 * doubt)
    return scores, rows.astype(np.int64)


def _chosen(products: Sequence[_Product], asked: Floats, k: int, doubt: float) -> tuple[_Product, Any, Doubles, Floats]:
    """The first product whose bound keeps few enough, queries as it multiplies them, their bounds, and their cuts.

    A cut is of the sample's document of the rank that the k-th best would have in it, and some ranks more.
    """
    for product in products:
        ready, error = product.ask(asked)
        step = min(_SAMPLE, product.size // _LEAST)
        rank = int(k / max(1, step) + doubt * (k / max(1, step)) ** 0.5) + 1
        if step < 2 or rank * step >= product.size:
            continue
        sample = product.sample(ready, step)
        cut = product.cut(np.partition(sample, -rank, axis=0)[-rank], error)
        if product is products[-1] or (sample >= cut).mean() - rank / len(sample) <= 1 / _WIDE:
            return product, ready, error, cut
    return product, ready, error, np.full(len(asked), -np.inf, np.float32)


def _gathered(product: _Product, ready: Any, cut: Floats) -> tuple[Places, Places, Floats] | None:
    """Query, document and score of every candidate, by document; None: of several queries they are too many."""
    step, counts = min(product.size, max(1, _TILE // len(cut))), np.zeros(len(cut), np.int64)
    found = []
    for tile, (place, scores) in enumerate(product.above(ready, cut, step)):
        document, query = np.divmod(place, len(cut))
        found.append((query.astype(np.int32), (document + tile * step).astype(np.int32), scores))
        counts += np.bincount(query, minlength=len(cut))
        if len(cut) > 1 and len(cut) * counts.max() > _HELD:
            return None
    query, document, scores = (np.concatenate(each) for each in zip(*found, strict=True))
    return query, document, scores


def _table(values: npt.NDArray[Any], counts: Integers, least: int, empty: float) -> npt.NDArray[Any]:
    """Values query by query, of which there are `counts`, as [queries, `least` or more], `empty` past the end."""
    there = np.arange(max(least, counts.max(initial=0))) < counts[:, None]
    table = np.full(there.shape, empty, values.dtype)
    table[there] = values
    return table


def _lowered(scores: Floats, unit: float, error: Doubles) -> Doubles:
    """t - u|t| - 2e of the module; -inf, which keeps everything, where numbers are past float32."""
    cut: Doubles = scores - unit * np.abs(scores, dtype=np.float64) - 2 * error
    return np.where(np.isnan(cut), -np.inf, cut)


def _longest(rows: Floats) -> float:
    return float(_lengths(rows).max(initial=0.0))


def _lengths(rows: Floats) -> Doubles:
    """Length of each row, float64 [rows], no less than it is: squares round, and the smallest are 0."""
    squares = np.einsum("ij,ij->i", rows, rows).astype(np.float64)
    found: Doubles = np.sqrt(squares) * (1 + _sums(rows.shape[1])) + _LEAST_LENGTH
    return found


def _sums(n: int) -> float:
    """g(n) of the module."""
    return n * 2.0**-24 / (1 - n * 2.0**-24)


def score(queries: Floats, documents: Floats, query: npt.NDArray[Any], document: npt.NDArray[Any]) -> Floats:
    """Score of each pair of a row of `queries` and one of `documents`, by itself: float32 [pairs].

    Both are float32 [rows, dimension] and contiguous, the places of rows whole numbers [pairs].
    """
    found = np.empty(len(query), np.float32)
    left, right = (np.ascontiguousarray(rows, np.int64) for rows in (query, document))
    arrays = (faiss.swig_ptr(array) for array in (queries, left, documents, right, found))
    faiss.pairwise_indexed_inner_product(documents.shape[1], len(query), *arrays)  # type: ignore[attr-defined]
    return found
