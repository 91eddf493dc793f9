"""The documents nearest to each query by inner product, exactly.

A matrix product proposes candidates; each candidate is then scored by itself. How a matrix product rounds a number
depends on its position, the processor and the precision, so no score is taken from one. A score is the float32 inner
product of two vectors, summed in one fixed order: equal vectors score the same in every row, and the results have the
same bytes whatever proposed the candidates.

**Candidates.** Let c be a document's score, v its entry of the matrix product before the last rounding, a = r(v) the
entry as computed (r rounds to float32 or bfloat16), and |c - v| <= e for all documents of a query (`proposals`). Let t
be the k-th largest a. For each, |v - a| <= u |a|, where u is half a unit in the last place. So k documents have
v >= t - u|t| and c >= t - u|t| - e, hence so has the k-th best. A document that is among the k best, or ties with the
last of them, has a c at least as large, thus v >= t - u|t| - 2e, and, as r is monotonic, a >= r(t - u|t| - 2e).
Documents below that cut are no candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from patent_embeddings.core.arrays import Doubles, Floats, Integers, Places, Search
from patent_embeddings.core.threads import COUNT, threads
from patent_embeddings.retrieval import proposals, ranking
from patent_embeddings.retrieval.proposals import Product

_HELD = 1 << 24  # candidates held at once: bounds memory, not the result
_SHARE = 384, 1024  # queries of a share, at most, of few documents and of many
_FEW = 128  # documents for each query of a share: fewer documents stay in a cache, more are read again for each share
_SURE = 4  # deviations by which a cut from a sample is lower than it seems
_WIDE = 16  # one document in so many may be a candidate; with more, float32 is faster


def search(queries: Floats, documents: Floats, *, halved: bool | None = None) -> Search:
    """Return an exact search by inner product over float32 [queries, dimension] and [documents, dimension].

    `halved`: the precision of proposals, as in `proposals.products`; it changes no byte of the results. Scores fall
    along a row, equal ones ordered by document.
    """
    queries, documents = np.ascontiguousarray(queries), np.ascontiguousarray(documents)
    products = proposals.products(len(queries), documents, halved)

    def nearest(part: Integers, k: int) -> tuple[Floats, Integers]:
        shape = len(part), min(k, len(documents))
        scores, rows = np.empty(shape, np.float32), np.empty(shape, np.int64)

        def fill(share: Integers) -> None:
            scores[share], rows[share] = _nearest(products, queries[part[share]], documents, shape[1])

        places = np.arange(len(part))
        if len(part) < 2 * COUNT:
            fill(places)
            return scores, rows
        most = min(max(_SHARE[0], len(documents) // _FEW), _SHARE[1])
        with threads() as pool:  # the same number of shares for each thread
            list(pool.map(fill, np.array_split(places, COUNT * -(-len(part) // (COUNT * most)))))
        return scores, rows

    return nearest


def _nearest(
    products: Sequence[Product], queries: Floats, documents: Floats, k: int, doubt: float = _SURE
) -> tuple[Floats, Places]:
    """Scores and rows of the k best documents of each query.

    The sample may set a query's cut too high; such queries are searched again with a larger `doubt`.
    """
    try:
        product, error, cut, counts, document, proposed = _proposed(products, queries, k, doubt)
        if len(queries) > 1 and len(queries) * counts.max() > _HELD:
            raise MemoryError
    except MemoryError:  # too many candidates, or a GPU's memory is full
        if len(queries) == 1 and len(products) == 1:
            raise
        if len(queries) == 1:
            return _nearest(products[1:], queries, documents, k, doubt)
        halves = (_nearest(products, half, documents, k, doubt) for half in np.array_split(queries, 2))
        scores, rows = (np.concatenate(each) for each in zip(*halves, strict=True))
        return scores, rows
    final = product.cut(np.partition(ranking.table(proposed, counts, k, -np.inf), -k, axis=1)[:, -k], error)
    settled = np.isneginf(cut) | (counts >= k) & (final >= cut)
    kept = np.flatnonzero(proposed >= np.repeat(np.where(settled, final, np.inf), counts).astype(np.float32))
    counts = _counts(kept, np.cumsum(counts))
    query, document = np.repeat(np.arange(len(queries)), counts), document[kept]
    exact = np.empty(len(kept), np.float32)
    order = _by_document(document, len(documents))  # so that a document stays in the cache
    exact[order] = score(queries, documents, query[order], document[order])
    scores, rows = ranking.best(ranking.table(exact, counts, k, -np.inf), ranking.table(document, counts, k, -1), k)
    if not settled.all():
        again = ~settled
        scores[again], rows[again] = _nearest(products, queries[again], documents, k, 8 * doubt)
    return scores, rows


def _proposed(
    products: Sequence[Product], queries: Floats, k: int, doubt: float
) -> tuple[Product, Doubles, Floats, Integers, Places, Floats]:
    """The first product whose bound leaves few enough candidates, the queries' bounds and cuts, and `_candidates`.

    A cut is a score of the sample, at the rank that the k-th best is expected to have there and `doubt` standard
    deviations more.
    """
    for product in products:
        ready, error = product.ask(queries)
        step = proposals.step(product.size)
        rank = int(k / step + doubt * (k / step) ** 0.5) + 1
        if step == 1 or rank * step >= product.size:
            continue
        whole = product.strided and product.size * len(queries) <= product.tile
        seen = slice(0, product.size, 1 if whole else step)
        scores = product.scores(ready, seen)
        every = step if whole else 1
        cut = product.cut(product.ranked(scores[:, ::every], rank), error)
        high = product.high(scores, cut)
        if product is products[-1] or len(high[0]) / len(queries) - rank * every <= scores.shape[1] / _WIDE:
            others = () if whole else proposals.tiles(product.size, max(1, product.tile // len(queries)), 1)
            return product, error, cut, *_candidates(product, ready, cut, others, scores, (seen, high))
    cut = np.full(len(queries), -np.inf, np.float32)
    tiles = proposals.tiles(product.size, max(1, product.tile // len(queries)))
    return product, error, cut, *_candidates(product, ready, cut, tiles)


def _candidates(
    product: Product,
    ready: Any,
    cut: Floats,
    tiles: Iterable[slice],
    room: Any = None,
    seen: tuple[slice, tuple[Integers, Floats]] | None = None,
) -> tuple[Integers, Places, Floats]:
    """Number of candidates of each query, and the candidates' documents and proposed scores, query by query.

    `tiles`: the documents to score. `room`: an array of scores that may be overwritten. `seen`: documents already
    scored, and `Product.high` of them. Raises MemoryError: too many candidates of several queries.
    """
    found = [] if seen is None else [_located(*seen, len(cut))]
    total = 0
    for rows in tiles:
        scores = product.scores(ready, rows, room)
        room = scores if room is None else room  # the first tile is the largest: the others fit in its place
        found.append(_located(rows, product.high(scores, cut), len(cut)))
        total += len(found[-1][1])
        if len(cut) > 1 and total > _HELD:
            raise MemoryError
    counts = np.sum([each for each, _, _ in found], axis=0)
    if len(found) == 1:
        return found[0]
    query = np.concatenate([np.repeat(np.arange(len(cut), dtype=np.uint16), each) for each, _, _ in found])
    order = np.argsort(query, kind="stable")  # 16 bits are sorted by counting
    return counts, *(np.concatenate(each)[order] for each in list(zip(*found, strict=True))[1:])


def _located(rows: slice, high: tuple[Integers, Floats], queries: int) -> tuple[Integers, Places, Floats]:
    """Number of candidates of each query in a tile, and the document and score of each candidate."""
    width = len(range(rows.start, rows.stop, rows.step))
    counts = _counts(high[0], width * np.arange(1, queries + 1))
    column = high[0].astype(np.int32) - np.repeat(width * np.arange(queries, dtype=np.int32), counts)
    return counts, column * np.int32(rows.step) + np.int32(rows.start), high[1]


def _counts(places: Integers, ends: Integers) -> Integers:
    """Number of ascending places in each interval between one end and the next; the first begins at 0."""
    return np.diff(np.searchsorted(places, ends), prepend=0)


def _by_document(document: Places, size: int) -> Integers:
    """Order of pairs by document; from 65,536 documents on, by groups of neighbouring documents."""
    return np.argsort((document >> max(0, (size - 1).bit_length() - 16)).astype(np.uint16), kind="stable")


def score(queries: Floats, documents: Floats, query: npt.NDArray[Any], document: npt.NDArray[Any]) -> Floats:
    """Score pairs of a row of `queries` and a row of `documents`, each by itself: float32 [pairs].

    `queries` and `documents` are float32 [rows, dimension] and contiguous; `query` and `document` are row numbers
    [pairs].
    """
    found = np.empty(len(query), np.float32)
    left, right = (np.ascontiguousarray(rows, np.int64) for rows in (query, document))
    arrays = (faiss.swig_ptr(array) for array in (queries, left, documents, right, found))
    faiss.pairwise_indexed_inner_product(documents.shape[1], len(query), *arrays)  # type: ignore[attr-defined]
    return found
