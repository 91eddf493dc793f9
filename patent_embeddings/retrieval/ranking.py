"""From scored candidates to a run: what may be ranked, ties broken by family id, ranks from 1.

A run is held as two matrices, [queries, ranks]: scores, float32, -inf past the end, and rows, int64 or int32, the
position of the family among the ids in ascending order, -1 past the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from patent_embeddings.core.arrays import Booleans, Doubles, Floats, Integers, Places, Search
from patent_embeddings.core.ids import known
from patent_embeddings.core.progress import track
from patent_embeddings.core.threads import threads
from patent_embeddings.corpus.pool import NEVER, Candidates

_SPARE = 16  # candidates beyond the depth: the own family, and a tie at the cut
_DEEPER = 4  # factor by which a search that was not deep enough is repeated
_HELD = 1 << 23  # candidates held at once: bounds memory, not the result
_ERROR = 1e-6  # of a float32 inner product of unit vectors
_PART = 1 << 20  # hits of a part of a run, at most
_KEY = np.dtype([("row", "<i4"), ("score", "<u4")])  # as one number of 64 bits: ordered by score, then by row
_SHARE = 64  # queries whose best a thread sorts at once: they stay in a cache


def retrieve(
    search: Search, candidates: Candidates, depth: int, *, label: str, block: int, margin: float | None = 0.0
) -> tuple[Floats, Places]:
    """Rank the best candidates of every query, exactly, by a search over all documents.

    A query whose own family, dates or ties at the cut leave too few results is searched again, deeper.

    `search` returns the k best documents of some queries, in any order: scores float32, rows int64; past the last one
    -inf and -1. `block`: queries searched at once, at most. `margin`: the error of the scores by which the search
    selects the k best; None: no error, and of equal scores it selects the first by row. Returns scores and rows,
    [queries, at most depth], as in the module's docstring; equal scores are ordered by family id.
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
        last = scores[part, -1]
        settled = np.isneginf(unseen) | (last >= unseen if margin is None else last > unseen + margin)
        return part[~settled]

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

    Score and row are sorted as one number of 64 bits, for which numpy has vector instructions: 20 times as fast as
    sorting by two keys. Rows are below 2**31; no score is NaN.
    """
    keys = np.empty(scores.shape, "<u8")
    fields = keys.view(_KEY)
    fields["score"] = _flipped((scores.astype(np.float32) + np.float32(0)).view(np.uint32))  # -0 is 0
    fields["row"] = rows
    if 2 * depth < scores.shape[1]:
        keys.partition(depth - 1, axis=1) if depth else None
        keys = np.ascontiguousarray(keys[:, :depth])
    keys.sort(axis=1)
    fields = keys[:, :depth].view(_KEY)
    return _flipped(fields["score"]).view(np.float32), fields["row"].astype(rows.dtype)


def _flipped(bits: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Map the bits of floats to whole numbers in falling order, and back: flip all but the sign of positive ones."""
    positive: npt.NDArray[np.int32] = ~bits.view(np.int32) >> np.int32(31)  # -1 where positive, else 0
    return bits ^ (positive.view(np.uint32) >> np.uint32(1))


def near(scores: Floats, margin: float) -> Booleans:
    """Mark scores, falling along each row, that lie within the margin of the score before or after."""
    close = np.zeros(scores.shape, dtype=bool)
    close[:, 1:] = scores[:, :-1] - scores[:, 1:] <= margin
    close[:, :-1] |= close[:, 1:]
    return close


def margin(queries: float, documents: float) -> float:
    """Largest difference between two float32 inner products that round differently, by the longest vectors."""
    return 2 * _ERROR * queries * documents


def longest(vectors: Floats) -> float:
    """Length of the longest row, 0 without rows."""
    return float(np.sqrt(np.einsum("ij,ij->i", vectors, vectors).max(initial=0.0)))


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


def portions(queries: Integers, depth: int) -> list[Integers]:
    """Split positions of queries so that each part has at most `_PART` hits at this depth."""
    step = max(1, _PART // max(1, depth))
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
