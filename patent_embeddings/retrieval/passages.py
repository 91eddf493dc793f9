"""Search in which a document's score is the mean of its best passages.

The passages of a document are consecutive rows of the landscape's vectors, like the tokens of late interaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from patent_embeddings.core.arrays import Doubles, Floats, Integers, Places, Search
from patent_embeddings.core.vectors import blocks
from patent_embeddings.retrieval import nearest, proposals, ranking

Ready = Callable[[Floats], Floats]
BEST = {"best": 1, "top3": 3}  # how many of a family's passages its score is the mean of
_HELD = 1 << 23  # numbers of a block of scores or vectors: bounds memory, not the result


def search(queries: Floats, documents: Floats, starts: Integers, best: int, ready: Ready) -> Search:
    """Return an exact search over passages; a family scores the mean of the inner products of its `best` passages.

    Matrix products propose families, whose passages are then scored each by itself, as in `nearest`: equal families
    score the same in every row, and equal scores are ordered by row. Memory is bounded, whatever the number of
    documents.

    `queries` are float32 [queries, dimension]; `documents` float32 [passages of all families, dimension], possibly a
    memory map, whose blocks `ready` prepares; `starts` int64 [families + 1], the first row of each family, which has at
    least one, and past the last row. A family with fewer passages than `best` scores the mean of all.
    """
    families = np.arange(len(starts) - 1)

    def proposed(asked: Floats) -> Iterator[tuple[int, Floats, Doubles]]:
        for first, last in blocks(starts, max(1, _HELD // max(1, *asked.shape))):
            rows = ready(documents[starts[first] : starts[last]])
            near = _mean_of_best(asked @ rows.T, starts[first : last + 1] - starts[first], best)
            # Three roundings for each dimension, as `proposals` counts them, and one of each mean.
            yield first, near, proposals.bound(asked, proposals.longest(rows), 3 * asked.shape[1] + 2)

    def run(part: Integers, k: int) -> tuple[Floats, Integers]:
        asked = np.ascontiguousarray(queries[part])
        if k >= len(families):  # nothing to choose from
            rows = np.tile(families, (len(part), 1))
            return ranking.best(scored(asked, documents, starts, best, rows, ready), rows, k)

        def exact(query: Integers, family: Integers) -> Floats:
            return _exact(asked, query, family, documents, starts, best, ready)

        return ranking.proposed(proposed(asked), exact, len(part), k)

    return run


def scored(
    queries: Floats, documents: Floats, starts: Integers, best: int, rows: Places | Integers, ready: Ready
) -> Floats:
    """Score given families for each query, [queries, k]: `rows` are the families' positions, -1 for none (score -inf).

    The other arrays are as in `search`. Each pair is scored by itself.
    """
    scores, there = np.full(rows.shape, -np.inf, np.float32), np.nonzero(rows >= 0)
    asked, families = np.ascontiguousarray(queries), rows[there].astype(np.int64)
    scores[there] = _exact(asked, there[0], families, documents, starts, best, ready)
    return scores


def _mean_of_best(similar: Floats, starts: Integers, best: int) -> Floats:
    """Mean of the `best` columns of each family, [queries, families]; a family's columns begin at its start."""
    counts = np.diff(starts)
    out = np.empty((len(similar), len(counts)), np.float32)
    for count in np.unique(counts):
        same = np.flatnonzero(counts == count)
        part, kept = similar[:, starts[same][:, None] + np.arange(count)], min(best, count)
        if kept == 1:
            out[:, same] = part.max(axis=2)
        else:  # in order, so that the sum does not depend on the order of the passages
            top = np.sort(np.partition(part, count - kept, axis=2)[:, :, -kept:], axis=2)
            out[:, same] = top.sum(axis=2, dtype=np.float64) / kept
    return out


def _exact(
    queries: Floats, query: Integers, family: Integers, documents: Floats, starts: Integers, best: int, ready: Ready
) -> Floats:
    """Scores of pairs of a query and a family, float32 [pairs], in portions of families that fit in memory."""
    found = np.empty(len(query), np.float32)
    order = np.argsort(family, kind="stable")  # so that passages of a family are prepared once
    counts = np.diff(starts)[family[order]]
    portion = np.cumsum(counts) // max(1, _HELD // max(1, documents.shape[1]))
    for part in np.split(np.arange(len(order)), np.flatnonzero(np.diff(portion)) + 1):
        pairs, count = order[part], counts[part]
        held, own = np.unique(family[pairs], return_inverse=True)
        place = rows_of(np.append(0, np.cumsum(np.diff(starts)[held])), own)  # among the rows of these families
        prepared = ready(documents[rows_of(starts, held)])
        similar = nearest.score(queries, prepared, np.repeat(query[pairs], count), place)
        found[pairs] = _mean_of_best(similar[None], np.append(0, np.cumsum(count)), best)[0]
    return found


def rows_of(starts: Integers, ids: Integers) -> Integers:
    """Rows of some ids, one id behind the other; `starts` is the first row of each id, and the end of the last."""
    counts = np.diff(starts)[ids]
    return np.arange(counts.sum()) + np.repeat(starts[ids] - np.cumsum(counts) + counts, counts)
