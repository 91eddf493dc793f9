"""Fusion of the BM25 and the dense run, by reciprocal rank and by interpolation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from patent_embeddings.core.arrays import Doubles, Floats, Integers, Places
from patent_embeddings.core.ids import places
from patent_embeddings.core.progress import track
from patent_embeddings.core.threads import threads
from patent_embeddings.retrieval.ranking import ascending, best, frame, matrices, portions

Setting = float | Doubles  # one for all queries, or one for each, [queries]
_HELD = 1 << 17  # candidates of both legs that a thread holds at once: they stay in a cache
_COMPARED = 1 << 18  # scores compared at once: 1 MiB, which stays in the cache


@dataclass(frozen=True)
class Legs:
    """Two runs of the same queries over the same families, as matrices (see `ranking`)."""

    queries: list[str]
    families: list[str]
    bm25: tuple[Floats, Places]
    dense: tuple[Floats, Places]

    def blocks(self, queries: Integers) -> list[Integers]:
        """Split positions of queries into blocks of at most `_HELD` candidates."""
        return portions(queries, self.bm25[1].shape[1] + self.dense[1].shape[1], _HELD)


def legs(runs: Iterable[Iterable[pd.DataFrame]], queries: list[str], families: list[str], depth: int) -> Legs:
    """Read the BM25 and the dense run, each in parts with rows of `RUN`, cut to a depth.

    Raises UserError: an id of a run is not among `queries` or `families`.
    """
    with threads() as pool:
        return Legs(queries, families, *pool.map(lambda run: matrices(run, queries, families, depth), runs))


@dataclass(frozen=True)
class Both:
    """Families that either leg ranks for some queries, each once."""

    rows: Places  # positions of the families, ascending, int32 [queries, width]; -1 where there is none
    ranks: Doubles  # rank in the BM25 and the dense leg, float64 [2, queries, width]; infinite where a leg lacks it
    scores: Doubles  # score in them after min-max, likewise; 0, the least of the list, where a leg lacks it


def both(legs: Legs, part: Integers) -> Both:
    """The union of both legs for some queries.

    Scores are min-max normalised per query and leg: the leg's last family has 0, its first 1. Where all scores of a
    list are equal, its families have 1, which sets them apart from families that the leg lacks.
    """
    widths = [leg[1].shape[1] for leg in (legs.bm25, legs.dense)]
    shape = (2, len(part), sum(widths))
    rows = np.concatenate([legs.bm25[1][part], legs.dense[1][part]], axis=1)
    ranks, scores = np.full(shape, np.inf), np.zeros(shape)
    columns_of = slice(0, widths[0]), slice(widths[0], sum(widths))
    for place, (leg, own) in enumerate(zip((legs.bm25, legs.dense), columns_of, strict=True)):
        ranks[place, :, own] = np.arange(1, leg[1].shape[1] + 1)
        scores[place, :, own] = min_max(leg[0][part])
    # By family, absent ones (-1) last, and BM25 before dense.
    families, columns = ascending(rows.view(np.uint32), np.arange(rows.shape[1]), rows.shape[1])
    rows, order = families.astype(np.uint32).view(np.int32), columns.astype(np.int64)
    ranks, scores = (np.take_along_axis(values, order[None], axis=2) for values in (ranks, scores))
    # A family that both legs rank occurs twice: join the two.
    twice = (rows[:, 1:] == rows[:, :-1]) & (rows[:, 1:] >= 0)
    for values in (ranks, scores):
        values[1, :, :-1][twice] = values[1, :, 1:][twice]
    rows[:, 1:][twice] = -1
    return Both(rows, ranks, scores)


def min_max(scores: Floats) -> Doubles:
    """Scale each query's scores to 0..1, to 1 where all are equal; 0 past the end of the list (-inf)."""
    found = np.isfinite(scores)
    values = np.where(found, scores, 0.0).astype(np.float64)
    low = np.where(found, values, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    spread = np.where(found, values, -np.inf).max(axis=1, keepdims=True, initial=-np.inf) - low
    scaled = np.divide(values - low, spread, out=np.ones_like(values), where=found & (spread > 0))
    return np.where(found, scaled, 0.0)


def fuse(pair: Both, method: str, value: Setting, depth: int) -> tuple[Floats, Places]:
    """Fused ranking of some queries: scores and rows, [queries, at most depth]; equal scores by family id."""
    return best(_fused(pair, method, value), pair.rows, depth)


def _fused(pair: Both, method: str, value: Setting) -> Floats:
    """Fused scores of some queries, -inf where there is no family.

    `rrf` with constant k: the sum of 1 / (k + rank) (Cormack et al., SIGIR 2009). `interpolation` with weight w:
    w * dense + (1 - w) * BM25 after min-max (Bruch et al., TOIS 2023).
    """
    value = value if isinstance(value, float) else value[:, None]
    if method == "rrf":
        scores = (1.0 / (value + pair.ranks)).sum(axis=0)
    else:
        scores = (1.0 - value) * pair.scores[0] + value * pair.scores[1]
    return np.where(pair.rows < 0, -np.inf, scores).astype(np.float32)


def fused(legs: Legs, chosen: Mapping[str, Setting], depth: int) -> Iterator[dict[str, pd.DataFrame]]:
    """Fused runs of all queries by each method with its chosen value, in parts with rows of `RUN`."""

    def of(block: Integers) -> list[tuple[Floats, Places]]:
        pair = both(legs, block)
        values = [value if isinstance(value, float) else value[block] for value in chosen.values()]
        return [fuse(pair, method, value, depth) for method, value in zip(chosen, values, strict=True)]

    for part in portions(np.arange(len(legs.queries)), depth):
        with threads() as pool:
            found = list(pool.map(of, legs.blocks(part)))
        frames = {}
        for method, blocks in zip(chosen, zip(*found, strict=True), strict=True):
            scores, rows = (np.concatenate(each) for each in zip(*blocks, strict=True))
            frames[method] = frame(legs.queries, legs.families, scores, rows, first=int(part[0]))
        yield frames


def ranks(
    legs: Legs, settings: Sequence[tuple[str, float]], depth: int, pairs: pd.DataFrame, label: str
) -> list[Integers]:
    """Rank of given families for their queries under each setting (method and value); 0 where it exceeds `depth`.

    `pairs` has `query_id` and `family_id`. Nothing is sorted: a rank is one more than the number of families before it.
    Returns int64 [pairs] for each setting.
    """
    query, family = places(pairs["query_id"], legs.queries), places(pairs["family_id"], legs.families)
    found = [np.zeros(len(pairs), np.int64) for _ in settings]
    order = np.argsort(query, kind="stable")
    order = order[(query[order] >= 0) & (family[order] >= 0)]
    if not legs.bm25[1].shape[1] + legs.dense[1].shape[1]:  # nothing could be ranked
        return found
    blocks = legs.blocks(np.unique(query[order]))
    total = sum(map(len, blocks))

    def look(part: Integers) -> None:
        pair = both(legs, part)
        first, last = np.searchsorted(query[order], [part[0], part[-1] + 1])
        wanted = order[first:last]
        step = max(1, _COMPARED // max(1, pair.rows.shape[1]))
        chunks = []
        for start in range(0, len(wanted), step):
            some = wanted[start : start + step]
            row = np.searchsorted(part, query[some])
            same = pair.rows[row] == family[some, None]
            here = np.flatnonzero(same.any(axis=1))
            chunks.append((some[here], row[here], same[here].argmax(axis=1)))
        for (method, value), rank in zip(settings, found, strict=True):
            scores = _fused(pair, method, value)
            for some, row, place in chunks:
                theirs, own = scores[row], scores[row, place][:, None]
                # Equal scores are ordered by family id, and so by position.
                tied = (theirs == own) & (np.arange(scores.shape[1]) < place[:, None])
                rank[some] = 1 + np.count_nonzero(theirs > own, axis=1) + np.count_nonzero(tied, axis=1)

    with threads() as pool:
        done = pool.map(look, blocks)
        for _ in track(done, total=total, label=label, unit="queries", weight=len(blocks[0]) if blocks else 1):
            pass
    return [np.where(rank <= depth, rank, 0) for rank in found]
