"""Embeddings -> dense run, by exact search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import faiss
import numpy as np

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.retrieval import passages, ranking

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from patent_embeddings.core.arrays import Floats, Integers, Search
    from patent_embeddings.core.params import Search as Settings

_BLOCK = 4096  # queries searched at once
_ROWS = 1 << 14  # passages prepared at once
_HELD = 1 << 18  # numbers gathered at once when near ties are settled: 1 MiB, which stays in the cache


def prepared(vectors: Floats, dimensions: int | None, similarity: str, path: Path) -> Floats:
    """Vectors as they are searched: the first `dimensions` kept, and of unit length where similarity is cosine.

    Token vectors come at unit length and are only brought back to it after a cut. A vector of
    zeros stays so: its cosine with anything counts 0.

    Raises:
        UserError: the vectors have fewer dimensions.
    """
    if dimensions is not None and dimensions > vectors.shape[1]:
        raise UserError(f"{layout.PARAMS}: search.dimensions is {dimensions}, the vectors of {path} have {vectors.shape[1]}; use fewer, or null for all")  # fmt: skip
    if similarity == "cosine" and (empty := int((vectors[:, :dimensions] == 0).all(axis=1).sum())):
        say(f"{path}: {empty} vectors of zeros, which score 0 with everything")
    return _cut(vectors, dimensions, similarity)


def _cut(vectors: Floats, dimensions: int | None, similarity: str) -> Floats:

    cut = vectors[:, :dimensions]
    if similarity == "cosine" or (similarity == "maxsim" and dimensions is not None):
        cut = _unit(cut)
    return cut if similarity == "maxsim" else np.ascontiguousarray(cut)


def centre(parts: Iterable[tuple[Floats, npt.NDArray[np.bool_]]], dimension: int, similarity: str) -> Floats:
    """Mean of the ranked documents' vectors, [dimension]: what all of a landscape share, which tells none apart.

    The mean of Mu and Viswanath, "All-but-the-Top" (ICLR 2018), without the principal components. It is taken over
    vectors as they are searched, so after a cut of dimensions, and for cosine over unit vectors. Under cosine a
    vector of zeros has no place and does not count. The mean of passages is that of all of them.

    Args:
        parts: rows as `prepared` gives them, float32 [rows, dimension], with which of them may be retrieved.
        dimension: of each.
        similarity: `cosine` or `dot`.
    """

    total, count = np.zeros(dimension), 0
    for vectors, ranked in parts:
        counted = ranked & _placed(vectors, similarity)
        total += vectors.sum(axis=0, dtype=np.float64, where=counted[:, None])
        count += int(counted.sum())
    return (total / max(count, 1)).astype(np.float32)


def centred(vectors: Floats, mean: Floats, similarity: str) -> Floats:
    """Vectors of either side less the mean; for cosine at unit length again, a vector of zeros left as it is.

    Under the inner product nothing is brought to unit length. Taken from documents alone, the mean m would lower
    every score of a query by the same q.m and change no rank; taken from queries, it lowers each document's by m.d,
    so that those which are near everything no longer lead every list. It is taken from both.
    """

    moved = np.where(_placed(vectors, similarity)[:, None], vectors - mean, vectors)
    return _unit(moved) if similarity == "cosine" else moved


def _placed(vectors: Floats, similarity: str) -> npt.NDArray[np.bool_]:
    """Rows that have a direction; under the inner product zeros are a place like any other."""
    placed: npt.NDArray[np.bool_] = (vectors != 0).any(axis=1) | (similarity != "cosine")
    return placed


def _unit(vectors: Floats) -> Floats:
    """Rows brought to unit length; a row of zeros stays so."""

    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def inner_product(queries: Floats, documents: Floats) -> tuple[Search, float]:
    """Exact search by inner product, float32 [queries, dimension] and [documents, dimension], and its margin.

    A matrix product rounds by the place of a number in its block, so equal vectors may differ in
    their last bit and tie no more. What lies within the margin is computed again, each pair by
    itself in float64: equal vectors score the same, wherever they stand.
    """

    margin = ranking.margin(ranking.longest(queries), ranking.longest(documents))

    def search(part: Integers, k: int) -> tuple[Floats, Integers]:
        scores: Floats
        scores, rows = faiss.knn(queries[part], documents, k, metric=faiss.METRIC_INNER_PRODUCT)
        query, place = np.nonzero(ranking.near(scores, margin))
        step = max(1, _HELD // max(1, queries.shape[1]))
        for start in range(0, len(query), step):
            pair = query[start : start + step], place[start : start + step]
            left, right = queries[part[pair[0]]], documents[rows[pair]]
            scores[pair] = np.einsum("ij,ij->i", left, right, dtype=np.float64).astype(np.float32)
        return scores, rows

    return search, margin


def by_passage(
    queries: Floats,
    stored: Floats,
    offsets: Integers,
    ranked: npt.NDArray[np.bool_],
    settings: Settings,
    similarity: str,
) -> tuple[Search, float]:
    """Exact search over passages, prepared block by block; queries are prepared but not centred. See `passages.search`.

    Args:
        queries: float32 [queries, dimension].
        stored: passages of all documents, float32 [passages, dimension], memory-mapped.
        offsets: first row of each document, int64 [documents].
        ranked: which documents may be retrieved, [documents].
        settings: the `search` block of params.yaml.
        similarity: `cosine` or `dot`.
    """

    def ready(part: Floats) -> Floats:
        return _cut(part, settings.dimensions, similarity)

    best = passages.BEST[settings.passages]
    if settings.centre == "none":
        return passages.search(queries, stored, offsets, best, ready)
    mask = np.repeat(ranked, np.diff(np.append(offsets, len(stored))))
    parts = ((ready(stored[start : start + _ROWS]), mask[start : start + _ROWS]) for start in range(0, len(stored), _ROWS))  # fmt: skip
    mean = centre(parts, queries.shape[1], similarity)
    queries = centred(queries, mean, similarity)
    return passages.search(queries, stored, offsets, best, lambda part: centred(ready(part), mean, similarity))
