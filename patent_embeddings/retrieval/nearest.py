"""The documents nearest to each query by inner product, exactly.

Products of matrices propose, pairs by themselves decide. Such a product rounds by the place of a number in it, by its
processor and by its precision, so no score is taken from one. A score is the float32 inner product of two vectors by
themselves, added in one fixed order: equal vectors score the same wherever they stand, and what is found has the same
bytes however its candidates were.

**Candidates.** Let c be a document's score, v its exact product of matrices before the last rounding, a = r(v) what
comes out (r rounds to float32 or bfloat16), and |c - v| <= e for all documents of a query (`proposals`). Let t be the
k-th largest a. |v - a| <= u |a| for each, u half a unit in the last place. So k documents have v >= t - u|t|, and
c >= t - u|t| - e: so has the k-th best. What is among the k best, or ties with the last of them, has c >= that too,
thus v >= t - u|t| - 2e, and, since r never falls where its argument rises, a >= r(t - u|t| - 2e). Documents below that
cut are no candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from patent_embeddings.core.arrays import Doubles, Floats, Integers, Places, Search
from patent_embeddings.core.threads import COUNT, threads
from patent_embeddings.retrieval import proposals, ranking
from patent_embeddings.retrieval.proposals import Product

_HELD = 1 << 24  # candidates held at once: bounds memory, not the result
_SHARE = 256, 1024  # queries that a thread searches for at once, least and most
_FEW = 128  # documents for each of these: fewer lie in a cache, more are read again for the next share
_SURE = 4  # deviations by which a cut from a sample is lower than it seems
_WIDE = 16  # one document in so many may be kept by a bound, or float32 is faster


def search(queries: Floats, documents: Floats, *, halved: bool | None = None) -> Search:
    """Exact search by inner product over float32 [queries, dimension] and [documents, dimension].

    `halved`: how candidates are proposed, as in `proposing.products`. It decides no byte of what is found, which falls
    along its row, equal scores by row.
    """
    queries, documents = np.ascontiguousarray(queries), np.ascontiguousarray(documents)
    products = proposals.products(len(queries), documents, halved)

    def nearest(part: Integers, k: int) -> tuple[Floats, Integers]:
        share = min(max(_SHARE[0], len(documents) // _FEW), _SHARE[1])
        return _each(lambda some: _nearest(products, queries[some], documents, min(k, len(documents))), part, share)

    return nearest


def _each(find: Callable[[Integers], tuple[Floats, Integers]], part: Integers, share: int) -> tuple[Floats, Integers]:
    """What is found for some queries, each thread of the processor with at most a share of them and alone with it."""
    if len(part) < 2 * COUNT:
        return find(part)
    shares = np.array_split(part, COUNT * -(-len(part) // (COUNT * share)))  # as many for each thread
    with threads() as pool:
        scores, rows = (np.concatenate(each) for each in zip(*pool.map(find, shares), strict=True))
    return scores, rows


def _nearest(
    products: Sequence[Product], queries: Floats, documents: Floats, k: int, doubt: float = _SURE
) -> tuple[Floats, Integers]:
    """The k best of each query; what the sample misled about is looked for again with more doubt in it."""
    try:
        product, error, cut, (query, document, proposed) = _proposed(products, queries, k, doubt)
        counts = np.bincount(query, minlength=len(queries))
        if len(queries) > 1 and len(queries) * counts.max() > _HELD:
            raise MemoryError
    except MemoryError:  # more than may be held, or than a GPU can
        if len(queries) == 1 and len(products) == 1:
            raise
        if len(queries) == 1:
            return _nearest(products[1:], queries, documents, k, doubt)
        halves = (_nearest(products, half, documents, k, doubt) for half in np.array_split(queries, 2))
        scores, rows = (np.concatenate(each) for each in zip(*halves, strict=True))
        return scores, rows
    last = np.partition(_table(proposed[_order(query)], counts, k, -np.inf), -k, axis=1)[:, -k]
    final = product.cut(last, error)
    settled = np.isneginf(cut) | (counts >= k) & (final >= cut)
    kept = np.flatnonzero(proposed >= np.where(settled, final, np.inf)[query])
    query, document = query.take(kept), document.take(kept)
    exact = score(queries, documents, query, document)  # by document: one after another in the cache
    order, counts = _order(query), np.bincount(query, minlength=len(queries))
    scores, rows = _table(exact[order], counts, k, -np.inf), _table(document[order], counts, k, -1)
    scores, rows = ranking.best(scores, rows, k)
    if not settled.all():
        again = ~settled
        scores[again], rows[again] = _nearest(products, queries[again], documents, k, 8 * doubt)
    return scores, rows.astype(np.int64)


def _proposed(
    products: Sequence[Product], queries: Floats, k: int, doubt: float
) -> tuple[Product, Doubles, Floats, tuple[Places, Places, Floats]]:
    """The first product whose bound keeps few enough, the queries' bounds, their cuts, and what is above these.

    A cut is of the sample's document of the rank that the k-th best would have in it, and some ranks more.
    """
    for product in products:
        ready, error = product.ask(queries)
        step = proposals.step(product.size)
        rank = int(k / step + doubt * (k / step) ** 0.5) + 1
        if step == 1 or rank * step >= product.size:
            continue
        sample = product.scores(ready, slice(0, product.size, step))
        cut = product.cut(product.ranked(sample, rank), error)
        high = product.high(sample, cut)
        if product is products[-1] or len(high[0]) / len(queries) - rank <= len(sample) / _WIDE:
            return product, error, cut, _gathered(product, ready, cut, sample, high)
    cut = np.full(len(queries), -np.inf, np.float32)
    return product, error, cut, _gathered(product, ready, cut)


def _gathered(
    product: Product, ready: Any, cut: Floats, sample: Any = None, high: tuple[Integers, Floats] | None = None
) -> tuple[Places, Places, Floats]:
    """Query, document and score of every candidate, by document in each tile; `high` are those of the sample.

    Raises MemoryError: of several queries they are too many.
    """
    step, count = proposals.step(product.size), len(cut)
    found = [] if high is None else [_located(slice(0, product.size, step), high, count)]
    total, room = 0, sample  # the first tile is the largest: others take its place
    for rows in proposals.tiles(product.size, max(1, product.tile // count), 0 if high is None else 1):
        scores = product.scores(ready, rows, room)
        room = scores if room is None else room
        found.append(_located(rows, product.high(scores, cut), count))
        total += len(found[-1][0])
        if count > 1 and total > _HELD:
            raise MemoryError
    query, document, proposed = (np.concatenate(each) for each in zip(*found, strict=True))
    return query, document, proposed


def _located(rows: slice, high: tuple[Integers, Floats], queries: int) -> tuple[Places, Places, Floats]:
    """Query, document and score of places in a tile of some rows."""
    place = high[0].astype(np.int32)
    document = place // np.int32(queries)
    return place - document * np.int32(queries), document * np.int32(rows.step) + np.int32(rows.start), high[1]


def _order(query: Places) -> Integers:
    """Candidates query by query, those of each as they were."""
    return np.argsort(query.astype(np.uint16), kind="stable")  # 16 bits are sorted by counting


def _table(values: npt.NDArray[Any], counts: Integers, least: int, empty: float) -> npt.NDArray[Any]:
    """Values query by query, of which there are `counts`, as [queries, `least` or more], `empty` past the end."""
    there = np.arange(max(least, counts.max(initial=0))) < counts[:, None]
    table = np.full(there.shape, empty, values.dtype)
    table[there] = values
    return table


def score(queries: Floats, documents: Floats, query: npt.NDArray[Any], document: npt.NDArray[Any]) -> Floats:
    """Score of each pair of a row of `queries` and one of `documents`, by itself: float32 [pairs].

    Both are float32 [rows, dimension] and contiguous, the places of rows whole numbers [pairs].
    """
    found = np.empty(len(query), np.float32)
    left, right = (np.ascontiguousarray(rows, np.int64) for rows in (query, document))
    arrays = (faiss.swig_ptr(array) for array in (queries, left, documents, right, found))
    faiss.pairwise_indexed_inner_product(documents.shape[1], len(query), *arrays)  # type: ignore[attr-defined]
    return found
