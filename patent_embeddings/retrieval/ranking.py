"""From scored candidates to a run: what may be ranked, ties broken by family id, ranks from 1.

A run is held as two matrices, [queries, ranks]: scores, float32, -inf past the end, and rows, int64 or int32, the
position of the family among the ids in ascending order, -1 past the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from patent_embeddings.core.arrays import Doubles, Floats, Integers, Places, Search
from patent_embeddings.core.ids import known
from patent_embeddings.core.progress import track
from patent_embeddings.core.threads import threads
from patent_embeddings.corpus.pool import NEVER, Candidates

_SPARE = 16  # candidates beyond the depth: the own family, and what is not earlier
_DEEPER = 4  # factor by which a search that was not deep enough is repeated
_HELD = 1 << 23  # candidates held at once: bounds memory, not the result
_PART = 1 << 20  # hits of a part of a run, at most
_KEY = np.dtype([("second", "<i4"), ("first", "<u4")])  # as one number of 64 bits: ordered by the first
_SHARE = 64  # queries whose best a thread sorts at once: they stay in a cache


def retrieve(search: Search, candidates: Candidates, depth: int, *, label: str, block: int) -> tuple[Floats, Places]:
    """Rank the best candidates of every query, exactly, by a search over all documents.

    A query whose own family and dates leave too few results is searched again, deeper.

    `search` returns the k best documents of some queries, of equal scores the first by row, in any order: scores
    float32, rows int64; past the last one -inf and -1. `block`: queries searched at once, at most. Returns scores and
    rows, [queries, at most depth], as in the module's docstring; equal scores are ordered by family id.
    """
    size = len(candidates.families)
    depth = min(depth, size)
    scores = np.full((len(candidates.queries), depth), -np.inf, np.float32)
    rows = np.full((len(candidates.queries), depth), -1, np.int32)
    pending = np.flatnonzero(candidates.before > candidates.born.min(initial=NEVER))
    k, shown = min(size, depth + _SPARE), label

    def keep(part: Integers, found: Floats, row: Integers) -> Integers:
        """Store the best candidates of some queries, and return the queries that need a deeper search."""
        unseen = found.min(axis=1) if k < size else np.full(len(part), -np.inf, np.float32)
        open_ = (row >= 0) & (row != candidates.own[part, None])
        open_ &= candidates.born[row] < candidates.before[part, None]
        scores[part], rows[part] = best(np.where(open_, found, -np.inf), np.where(open_, row, -1), depth)
        return part[scores[part, -1] < unseen]

    while len(pending):
        step = max(1, min(block, _HELD // k))
        parts = [pending[start : start + step] for start in range(0, len(pending), step)]
        unsettled: list[Integers] = []
        for part in track(parts, total=len(pending), label=shown, unit="queries", weight=step):
            shares = [np.array_split(each, -(-len(part) // _SHARE)) for each in (part, *search(part, k))]
            with threads() as pool:  # not around the search, which shares itself out
                unsettled += pool.map(keep, *shares)
        pending, k = np.concatenate(unsettled), min(size, _DEEPER * k)
        shown = f"{label}: {k} deep"
    return scores, rows


def best(scores: Floats | Doubles, rows: npt.NDArray[Any], depth: int) -> tuple[Floats, Any]:
    """The `depth` best of each query by score as float32, equal scores by row; the type of rows stays.

    Rows are below 2**31; no score is NaN.
    """
    bits = _flipped((scores.astype(np.float32) + np.float32(0)).view(np.uint32))  # -0 is 0
    bits, found = ascending(bits, rows, depth)
    return _flipped(bits).view(np.float32), found.astype(rows.dtype)


def ascending(
    first: npt.NDArray[np.uint32], second: npt.NDArray[Any], depth: int
) -> tuple[npt.NDArray[np.uint32], Places]:
    """The `depth` least pairs of each row by `first`, then by `second`, [rows, at most depth]; both have 32 bits.

    They are sorted as one number of 64 bits, for which numpy has vector instructions: 20 times as fast as sorting by
    two keys.
    """
    keys = np.empty(first.shape, "<u8")
    fields = keys.view(_KEY)
    fields["first"], fields["second"] = first, second
    if 2 * depth < first.shape[1]:
        keys.partition(depth - 1, axis=1) if depth else None
        keys = np.ascontiguousarray(keys[:, :depth])
    keys.sort(axis=1)
    fields = keys[:, :depth].view(_KEY)
    return fields["first"], fields["second"]


def _flipped(bits: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Map the bits of floats to whole numbers in falling order, and back: flip all but the sign of positive ones."""
    positive: npt.NDArray[np.int32] = ~bits.view(np.int32) >> np.int32(31)  # -1 where positive, else 0
    return bits ^ (positive.view(np.uint32) >> np.uint32(1))


def proposed(
    blocks: Iterable[tuple[int, Floats, Doubles]], exact: Callable[[Integers, Integers], Floats], queries: int, k: int
) -> tuple[Floats, Integers]:
    """The k best documents of each query by exact scores, where near ones are known block by block.

    Only what may be among the best is scored exactly. Let t be the k-th largest near score and e its largest error: k
    documents score at least t - e, and what scores less than that has a near score below t - 2e.

    `blocks` yields the first document of each, near scores [queries, documents of the block] and how far they are from
    the exact ones at most, float64 [queries]. `exact` scores pairs of a query and a document by their positions, query
    by query. Returns scores and rows, float32 and int64 [queries, k], falling, equal ones by row.
    """
    scores, rows = np.full((queries, k), -np.inf, np.float32), np.full((queries, k), -1, np.int64)
    held: list[tuple[Integers, Integers, Floats]] = []
    error = np.zeros(queries)

    def settle() -> None:
        query, row, near = (np.concatenate(each) for each in zip(*held, strict=True))
        held.clear()
        order = np.argsort(query.astype(np.min_scalar_type(queries)), kind="stable")  # 16 bits are sorted by counting
        query, row, near = query[order], row[order], near[order]
        counts = np.bincount(query, minlength=queries)
        for part in portions(np.arange(queries), max(k, counts.max()), _HELD):  # one query may have all documents
            first, last = np.searchsorted(query, [part[0], part[-1] + 1])
            least = np.partition(table(near[first:last], counts[part], k, -np.inf), -k, axis=1)[:, -k]
            least = np.maximum(least - 2 * error[part], scores[part, -1] - error[part])
            kept = first + np.flatnonzero(near[first:last] >= least[query[first:last] - part[0]])
            if len(kept):
                fewer = np.bincount(query[kept] - part[0], minlength=len(part))
                found = table(exact(query[kept], row[kept]), fewer, 0, -np.inf)
                places = table(row[kept], fewer, 0, -1)
                scores[part], rows[part] = best(np.hstack([scores[part], found]), np.hstack([rows[part], places]), k)

    for first, near, far in blocks:
        error = np.maximum(error, far)
        query, place = np.nonzero(near >= (scores[:, -1] - far)[:, None])
        held.append((query, place + first, near[query, place]))
        if sum(len(each) for each, _, _ in held) > _HELD:
            settle()
    if held:
        settle()
    return scores, rows


def table(values: npt.NDArray[Any], counts: Integers, least: int, empty: float) -> npt.NDArray[Any]:
    """Spread values, `counts` of each query in turn, over [queries, at least `least`], with `empty` past the end."""
    there = np.arange(max(least, counts.max(initial=0))) < counts[:, None]
    spread = np.full(there.shape, empty, values.dtype)
    spread[there] = values
    return spread


def frame(
    queries: list[str], families: list[str], scores: Floats, rows: npt.NDArray[Any], first: int = 0
) -> pd.DataFrame:
    """Turn matrices into rows of `RUN` with categorical ids; both lists of ids must ascend.

    `first`: position among the queries of the first row of the matrices, which may be a block of a run.
    """
    found = rows >= 0
    query, rank = np.arange(first, first + len(rows), dtype=np.int32)[:, None], np.arange(1, rows.shape[1] + 1)
    return pd.DataFrame(
        {
            "query_id": _named(np.broadcast_to(query, rows.shape)[found], queries),
            "family_id": _named(rows[found], families),
            "rank": np.broadcast_to(rank, rows.shape)[found],
            "score": scores[found],
        }
    )


def _named(places: npt.NDArray[Any], ids: list[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(places, categories=pd.Index(ids, dtype="str"))


def parts(queries: list[str], families: list[str], scores: Floats, rows: npt.NDArray[Any]) -> Iterator[pd.DataFrame]:
    """`frame` in parts of some queries, so that millions of rows are never in memory at once."""
    for part in portions(np.arange(len(rows)), rows.shape[1]):
        yield frame(queries, families, scores[part], rows[part], int(part[0]))


def portions(queries: Integers, depth: int, hits: int = _PART) -> list[Integers]:
    """Split positions of queries so that each part has at most so many hits at this depth."""
    step = max(1, hits // max(1, depth))
    return [queries[start : start + step] for start in range(0, len(queries), step)]


def matrices(run: Iterable[pd.DataFrame], queries: list[str], families: list[str], depth: int) -> tuple[Floats, Places]:
    """Scores and rows, [queries, at most depth], from a run's parts in long form: the inverse of `frame`.

    Raises UserError: an id of the run is not among `queries` or `families`, so that the files do not belong together.
    """
    depth = min(depth, len(families))
    scores = np.full((len(queries), depth), -np.inf, np.float32)
    rows = np.full((len(queries), depth), -1, np.int32)
    asked, named, deepest = pd.Index(queries), pd.Index(families), 0
    for part in run:
        query = known(part["query_id"], asked, "query_id {!r} of a run")
        family = known(part["family_id"], named, "family_id {!r} of a run")
        place = part["rank"].to_numpy() - 1
        score = part["score"].to_numpy()
        if not (kept := place < depth).all():
            query, place, family, score = query[kept], place[kept], family[kept], score[kept]
        scores[query, place], rows[query, place] = score, family
        deepest = max(deepest, int(place.max(initial=-1)) + 1)
    return scores[:, :deepest], rows[:, :deepest]
