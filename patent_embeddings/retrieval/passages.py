"""Documents searched by the best of their passages.

The passages of a document are consecutive rows of its landscape's vectors, as the tokens of late interaction are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from patent_embeddings.retrieval import ranking
from patent_embeddings.retrieval.maxsim import blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import numpy.typing as npt

    from patent_embeddings.core.arrays import Floats, Integers, Search

BEST = {"best": 1, "top3": 3}  # how many of a family's passages its score is the mean of
_HELD = 1 << 23  # numbers of a block of scores or vectors: bounds memory, not the result


def search(
    queries: Floats, documents: Floats, offsets: Integers, best: int, ready: Callable[[Floats], Floats]
) -> tuple[Search, float]:
    """Exact search by inner product over passages, a family's score the mean of its best ones; and its margin.

    Memory is bounded, whatever the number of documents. What lies within the margin is computed again in float64,
    each pair by itself, so that equal families score the same wherever they stand (as in `stages.search`).

    Args:
        queries: float32 [queries, dimension].
        documents: float32 [passages of all families, dimension]; may be a memory map.
        offsets: int64 [families], first row of each family, which has at least one.
        best: how many of its best passages a family's score is the mean of; all of them where it has fewer.
        ready: rows of documents as they are searched.
    """

    starts = np.append(offsets, len(documents))
    width = max(1, queries.shape[1])
    parts = blocks(starts, max(1, _HELD // width))
    longest = max(
        (ranking.longest(ready(documents[starts[first] : starts[last]])) for first, last in parts), default=0.0
    )
    margin = ranking.margin(ranking.longest(queries), longest)

    def run(part: Integers, k: int) -> tuple[Floats, Integers]:
        asked = queries[part]
        scores, rows = np.zeros((len(part), 0), np.float32), np.zeros((len(part), 0), np.int64)
        for first, last in blocks(starts, max(1, _HELD // max(len(part), width))):
            similar = asked @ ready(documents[starts[first] : starts[last]]).T
            found = _mean_of_best(similar, starts[first : last + 1] - starts[first], best)
            scores = np.concatenate([scores, found], axis=1)
            rows = np.concatenate([rows, np.broadcast_to(np.arange(first, last), found.shape)], axis=1)
            if scores.shape[1] > k:
                kept = np.argpartition(-scores, k - 1, axis=1)[:, :k]
                scores, rows = np.take_along_axis(scores, kept, 1), np.take_along_axis(rows, kept, 1)
        order = np.argsort(-scores, axis=1, kind="stable")
        scores, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
        for query, place in _portions(ranking.near(scores, margin), rows, starts, width):
            scores[query, place] = _exact(asked[query], rows[query, place], documents, starts, best, ready)
        return scores, rows

    return run, margin


def _mean_of_best(similar: Floats, starts: Integers, best: int) -> Floats:
    """Mean of the best columns of each family, [queries, families]; its columns are from one start to the next."""

    counts = np.diff(starts)
    out = np.empty((len(similar), len(counts)), np.float32)
    for count in np.unique(counts):
        same = np.flatnonzero(counts == count)
        part, kept = similar[:, starts[same][:, None] + np.arange(count)], min(best, count)
        out[:, same] = np.partition(part, count - kept, axis=2)[:, :, -kept:].mean(axis=2)
    return out


def _portions(
    near: npt.NDArray[np.bool_], rows: Integers, starts: Integers, width: int
) -> Iterator[tuple[Integers, Integers]]:
    """Places of the marked pairs, in portions whose passages fit in memory."""

    query, place = np.nonzero(near)
    passages = np.cumsum(np.diff(starts)[rows[query, place]])
    portion = passages // max(1, _HELD // width)
    for part in np.split(np.arange(len(query)), np.flatnonzero(np.diff(portion)) + 1):
        if len(part):
            yield query[part], place[part]


def _exact(
    asked: Floats, families: Integers, documents: Floats, starts: Integers, best: int, ready: Callable[[Floats], Floats]
) -> Floats:
    """Scores of pairs of a query [pairs, dimension] and a family [pairs], each by itself in float64."""

    counts = np.diff(starts)[families]
    begin = np.cumsum(counts) - counts
    pair = np.repeat(np.arange(len(families)), counts)
    passage = np.arange(len(pair)) - begin[pair] + starts[families][pair]
    similar = np.einsum("ij,ij->i", asked[pair], ready(documents[passage]), dtype=np.float64)
    falling = similar[np.lexsort((-similar, pair))]
    among = np.arange(len(pair)) - begin[pair] < best
    totals = np.add.reduceat(np.where(among, falling, 0.0), begin)
    return (totals / np.minimum(best, counts)).astype(np.float32)
