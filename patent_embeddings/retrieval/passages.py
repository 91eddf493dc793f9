"""Search in which a document's score is the mean of its best passages.

The passages of a document are consecutive rows of the landscape's vectors, like the tokens of late interaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from patent_embeddings.core.arrays import Booleans, Floats, Integers, Places, Search
from patent_embeddings.core.params import Search as Settings
from patent_embeddings.core.vectors import Vectors, blocks
from patent_embeddings.retrieval import ranking
from patent_embeddings.retrieval.geometry import centre, centred, cut

Ready = Callable[[Floats], Floats]
BEST = {"best": 1, "top3": 3}  # how many of a family's passages its score is the mean of
_HELD = 1 << 23  # numbers of a block of scores or vectors: bounds memory, not the result
_ROWS = 1 << 14  # passages that the mean is taken over at once: its sums are of such blocks


def opened(
    documents: Vectors, ranked: Booleans, settings: Settings, similarity: str
) -> tuple[Floats, Floats | None, Ready]:
    """Return the passages as stored, their mean where the landscape is centred, and the function that prepares rows.

    `ranked` marks the families that may be retrieved, [families]; `similarity` is `cosine` or `dot`. The mean is
    float32 [dimension], to be subtracted from the queries too.
    """
    stored, offsets = documents.rows, documents.first
    assert offsets is not None

    def ready(part: Floats) -> Floats:
        return cut(part, settings.dimensions, similarity)

    if settings.centre == "none":
        return stored, None, ready
    mask = np.repeat(ranked, np.diff(np.append(offsets, len(stored))))
    places = (slice(start, start + _ROWS) for start in range(0, len(stored), _ROWS))
    parts = ((ready(stored[place]), mask[place]) for place in places)
    mean = centre(parts, ready(stored[:1]).shape[1], similarity)
    return stored, mean, lambda part: centred(ready(part), mean, similarity)


def longest(documents: Floats, offsets: Integers, ready: Ready) -> float:
    """Length of the longest prepared passage; arrays as in `search`."""
    starts = np.append(offsets, len(documents))
    parts = blocks(starts, max(1, _HELD // max(1, documents.shape[1])))
    return max((ranking.longest(ready(documents[starts[first] : starts[last]])) for first, last in parts), default=0.0)


def search(
    queries: Floats, documents: Floats, offsets: Integers, best: int, ready: Ready, most: float | None = None
) -> tuple[Search, float]:
    """Return a search by inner product over passages, and its margin; a family scores the mean of its `best` passages.

    Memory is bounded, whatever the number of documents. Scores within the margin of each other are computed again in
    float64, each pair by itself, so that equal families score the same in every row.

    `queries` are float32 [queries, dimension]; `documents` float32 [passages of all families, dimension], possibly a
    memory map, whose blocks `ready` prepares; `offsets` int64 [families], the first row of each family, which has at
    least one. A family with fewer passages than `best` scores the mean of all. `most`: `longest`, where it is known.
    """
    starts = np.append(offsets, len(documents))
    width = max(1, queries.shape[1])
    most = longest(documents, offsets, ready) if most is None else most
    margin = ranking.margin(ranking.longest(queries), most)

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


def scored(queries: Floats, documents: Floats, offsets: Integers, best: int, rows: Places) -> Floats:
    """Score given families for each query, [queries, k]: `rows` are the families' positions, -1 for none (score -inf).

    The other arrays are as in `search`, with prepared passages. Each pair is scored by itself.
    """
    scores, starts = np.full(rows.shape, -np.inf, np.float32), np.append(offsets, len(documents))
    families = rows.astype(np.int64)
    for query, place in _portions(families >= 0, families, starts, max(1, queries.shape[1])):
        found = _exact(queries[query], families[query, place], documents, starts, best, lambda part: part)
        scores[query, place] = found
    return scores


def _mean_of_best(similar: Floats, starts: Integers, best: int) -> Floats:
    """Mean of the `best` columns of each family, [queries, families]; a family's columns begin at its start."""
    counts = np.diff(starts)
    out = np.empty((len(similar), len(counts)), np.float32)
    for count in np.unique(counts):
        same = np.flatnonzero(counts == count)
        part, kept = similar[:, starts[same][:, None] + np.arange(count)], min(best, count)
        out[:, same] = np.partition(part, count - kept, axis=2)[:, :, -kept:].mean(axis=2)
    return out


def _portions(near: Booleans, rows: Integers, starts: Integers, width: int) -> Iterator[tuple[Integers, Integers]]:
    """Positions of the marked pairs, in portions whose passages fit in memory."""
    query, place = np.nonzero(near)
    passages = np.cumsum(np.diff(starts)[rows[query, place]])
    portion = passages // max(1, _HELD // width)
    for part in np.split(np.arange(len(query)), np.flatnonzero(np.diff(portion)) + 1):
        if len(part):
            yield query[part], place[part]


def _exact(asked: Floats, families: Integers, documents: Floats, starts: Integers, best: int, ready: Ready) -> Floats:
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
