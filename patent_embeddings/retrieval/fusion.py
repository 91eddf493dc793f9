"""Fusion of the BM25 and the dense run, by reciprocal rank and by interpolation.

It is tuned on dev queries only; or, where there are too few to set some aside, cross-fitted: each fold's queries are
fused with what the queries of the other folds are best with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from patent_embeddings.core import tables
from patent_embeddings.core.arrays import Booleans, Doubles, Floats, Integers, Places
from patent_embeddings.core.ids import places
from patent_embeddings.core.params import Fuse
from patent_embeddings.core.progress import say, track
from patent_embeddings.evaluation import retrieval
from patent_embeddings.evaluation.schemas import ORACLES
from patent_embeddings.retrieval.ranking import best, frame, matrices
from patent_embeddings.retrieval.schemas import FUSION

UNTUNED = {"rrf": 60.0, "interpolation": 0.5}  # where no query to tune on has a relevant family
Setting = float | Doubles  # one for all queries, or one for each, [queries]
_HELD = 1 << 20  # candidates of both legs held at once: bounds memory, not the result
_COMPARED = 1 << 18  # scores compared at once: 1 MiB, which stays in the cache


@dataclass(frozen=True)
class Legs:
    """Two runs of the same queries over the same families, as matrices (see `ranking`)."""

    queries: list[str]
    families: list[str]
    bm25: tuple[Floats, Places]
    dense: tuple[Floats, Places]

    def blocks(self, queries: Integers) -> list[Integers]:
        """Places of queries in blocks that fit in memory."""
        step = max(1, _HELD // max(1, self.bm25[1].shape[1] + self.dense[1].shape[1]))
        return [queries[start : start + step] for start in range(0, len(queries), step)]


def legs(runs: Iterable[Iterable[pd.DataFrame]], queries: list[str], families: list[str], depth: int) -> Legs:
    """The BM25 and the dense run, each in parts with rows of `RUN`, cut to a depth.

    Raises UserError: an id of a run is not among `queries` or `families`.
    """
    return Legs(queries, families, *(matrices(run, queries, families, depth) for run in runs))


@dataclass(frozen=True)
class Both:
    """What either leg found for some queries, each family once."""

    rows: Places  # places of the families, ascending, int32 [queries, width]; -1 where there is none
    ranks: Doubles  # rank in the BM25 and the dense leg, float64 [2, queries, width]; infinite where a leg lacks it
    scores: Doubles  # score in them after min-max, likewise; 0, the least of the list, where a leg lacks it


def both(legs: Legs, part: Integers) -> Both:
    """The union of both legs for some queries.

    Min-max is taken per query over the leg's list, so that its last family has 0 and its first 1.
    Where all scores of a list are equal, its families have 1: to be found at all says something.
    """
    widths = [leg[1].shape[1] for leg in (legs.bm25, legs.dense)]
    shape = (2, len(part), sum(widths))
    rows = np.concatenate([legs.bm25[1][part], legs.dense[1][part]], axis=1)
    ranks, scores = np.full(shape, np.inf), np.zeros(shape)
    columns_of = slice(0, widths[0]), slice(widths[0], sum(widths))
    for place, (leg, columns) in enumerate(zip((legs.bm25, legs.dense), columns_of, strict=True)):
        ranks[place, :, columns] = np.arange(1, leg[1].shape[1] + 1)
        scores[place, :, columns] = min_max(leg[0][part])
    # By family, what is none (-1) last, and of a family that both found BM25's first: one number of 64 bits each.
    keys = rows.astype(np.uint32).astype(np.uint64) << np.uint64(32) | np.arange(rows.shape[1], dtype=np.uint64)
    keys.sort(axis=1)
    order = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
    rows = (keys >> np.uint64(32)).astype(np.uint32).view(np.int32)
    ranks, scores = (np.take_along_axis(values, order[None], axis=2) for values in (ranks, scores))
    # A family that both found stands twice: join the two.
    twice = (rows[:, 1:] == rows[:, :-1]) & (rows[:, 1:] >= 0)
    for values in (ranks, scores):
        values[1, :, :-1][twice] = values[1, :, 1:][twice]
    rows[:, 1:][twice] = -1
    return Both(rows, ranks, scores)


def min_max(scores: Floats) -> Doubles:
    """Scores of each query brought to 0..1, 1 where all are equal; 0 past the end of the list (-inf)."""
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


def fused(legs: Legs, method: str, value: Setting, depth: int) -> Iterator[pd.DataFrame]:
    """Fused run of every query, in parts with rows of `RUN`."""
    for part in legs.blocks(np.arange(len(legs.queries))):
        ours = value if isinstance(value, float) else value[part]
        yield frame(legs.queries, legs.families, *fuse(both(legs, part), method, ours, depth), first=int(part[0]))


def ranks(
    legs: Legs, settings: Sequence[tuple[str, float]], depth: int, pairs: pd.DataFrame, label: str
) -> list[Integers]:
    """Rank that each setting, a method and its value, gives families for queries; 0 where it is not among the best.

    `pairs` has `query_id` and `family_id`. No list is sorted for it: a rank is one more than the families that come
    before. Returns int64 [pairs] for each setting.
    """
    query, family = places(pairs["query_id"], legs.queries), places(pairs["family_id"], legs.families)
    found = [np.zeros(len(pairs), np.int64) for _ in settings]
    order = np.argsort(query, kind="stable")
    order = order[(query[order] >= 0) & (family[order] >= 0)]
    blocks = legs.blocks(np.unique(query[order]))
    total = sum(map(len, blocks))
    for part in track(blocks, total=total, label=label, unit="queries", weight=len(blocks[0]) if blocks else 1):
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
                # Equal scores by family id, and so by place.
                tied = (theirs == own) & (np.arange(scores.shape[1]) < place[:, None])
                rank[some] = 1 + np.count_nonzero(theirs > own, axis=1) + np.count_nonzero(tied, axis=1)
    return [np.where(rank <= depth, rank, 0) for rank in found]


@dataclass(frozen=True)
class Tuned:
    """Outcome of tuning."""

    # Rows of `FUSION`: every setting on dev and on test; cross-fitted on test, and for each fold on the queries of all
    # others, of which the value was chosen.
    table: pd.DataFrame
    chosen: dict[str, Setting]  # per method the value best on dev, the first of the grid among equals; or by fold
    # Per method the value best on test, likewise; the chosen one where test has no relevant family.
    oracle: dict[str, float]
    on_dev: bool  # False where no query to tune on has a relevant family, so that fixed values were chosen

    @property
    def said(self) -> dict[str, float | list[float]]:
        """The chosen values, where each query has one all that there are."""
        return {
            method: value if isinstance(value, float) else sorted(set(value.tolist()))
            for method, value in self.chosen.items()
        }


def oracles(legs: Legs, tuned: Tuned, qrels: pd.DataFrame, depth: int, label: str) -> pd.DataFrame:
    """Rows of `ORACLES`: where the values best on test would have ranked what is judged, rows of `QRELS`."""
    found = ranks(legs, list(tuned.oracle.items()), depth, qrels, label)
    pairs = qrels[["query_id", "family_id"]]
    frames = [
        pairs.assign(system=f"oracle-{method}", rank=rank)[rank > 0]
        for method, rank in zip(tuned.oracle, found, strict=True)
    ]
    return tables.typed(pd.concat(frames, ignore_index=True), ORACLES)


def tune(
    legs: Legs,
    qrels: pd.DataFrame,
    queries: pd.DataFrame,
    settings: Fuse,
    *,
    label: str,
    reachable: Booleans | None = None,
    threshold: int = 1,
    folds: Mapping[str, int] | None = None,
) -> Tuned:
    """Score every setting of the grid on the dev and the test queries, over all scopes.

    Takes rows of `QRELS` and of `QUERIES`, these in the order of the legs. `reachable`: of each judgement, whether the
    pool lets its family be found; None: all are. A query whose relevant families are all out of reach says nothing of a
    setting. `threshold` as in `per_query`. `folds`: the fold of each query by its id, to be cross-fitted; all are test.
    """
    relevant = qrels["relevance"] > 0
    judged, within = qrels[relevant], qrels[relevant if reachable is None else relevant & reachable]
    asked = queries[queries["split"].isin(["dev", "test"]) & queries["query_id"].isin(within["query_id"])]
    # By what is tuned on them, places among `asked`.
    tuned_on = {"dev": np.flatnonzero(asked["split"] == "dev")}
    if folds is not None:
        own = asked["query_id"].map(folds).to_numpy()
        tuned_on = {f"fold-{fold}": np.flatnonzero(own != fold) for fold in sorted(set(folds.values()))}
    tunable = all(map(len, tuned_on.values()))
    grids = {"rrf": [float(k) for k in settings.rrf_k], "interpolation": list(settings.weights)}
    if not tunable:
        fixed = f"k = {UNTUNED['rrf']:g} and weight {UNTUNED['interpolation']:g}"
        lacking = "no dev query has a relevant family" if folds is None else "the scored queries are all of one fold"
        say(f"{label}: {lacking}; {fixed} are used untuned")
        grids = {method: [*grid, UNTUNED[method]] for method, grid in grids.items()}
    grids = {method: list(dict.fromkeys(grid)) for method, grid in grids.items()}
    outcomes = _outcomes(legs, judged, asked, grids, settings, label, threshold)
    means = {
        (*key, str(split)): float(mean)
        for key, values in outcomes.items()
        for split, mean in values.groupby("split")["value"].mean().items()
    }
    for fold, rows_ in tuned_on.items():
        if folds is not None and len(rows_):
            means |= {(*key, fold): float(one["value"].iloc[rows_].mean()) for key, one in outcomes.items()}

    chosen: dict[str, Setting] = {}
    oracle: dict[str, float] = {}
    flags: dict[tuple[str, str], set[float]] = {}  # method and split -> what is chosen there
    for method, grid in grids.items():
        found = {part: _best(grid, means, method, part, UNTUNED[method]) for part in tuned_on}
        chosen[method] = found["dev"] if folds is None else np.array([found[f"fold-{folds[q]}"] for q in legs.queries])
        oracle[method] = _best(grid, means, method, "test", found.get("dev", UNTUNED[method]))
        flags |= {(method, part): {value} for part, value in found.items()}
        flags[method, "test"] = set(found.values())
    rows = [
        (method, value, split, settings.metric, score, value in flags[method, split], value == oracle[method])
        for (method, value, split), score in means.items()
    ]
    table = tables.typed(pd.DataFrame(rows, columns=list(FUSION.columns)), FUSION)
    return Tuned(table, chosen, oracle, tunable)


def tuned_to(table: pd.DataFrame, method: str, fold: int | None, *, cross_fitted: bool) -> float:
    """What a query is fused with, by rows of `FUSION`: a query of the landscape as its run.

    `fold`: of a query of a cross-fitted landscape; None: of no query, which there has what is best on all of them.
    """
    found = table[(table["method"] == method) & table["oracle" if cross_fitted and fold is None else "chosen"]]
    if fold is not None:
        found = found[found["split"] == f"fold-{fold}"]
    return float(found["value"].iloc[0]) if len(found) else UNTUNED[method]


def _best(
    grid: list[float], means: dict[tuple[str, float, str], float], method: str, split: str, otherwise: float
) -> float:
    """The value best on a split, the first of the grid among equals; `otherwise` where the split has no scores."""
    scored = [value for value in grid if (method, value, split) in means]
    return max(scored, key=lambda value: means[method, value, split], default=otherwise)


def _outcomes(
    legs: Legs,
    judged: pd.DataFrame,
    asked: pd.DataFrame,
    grids: dict[str, list[float]],
    settings: Fuse,
    label: str,
    threshold: int,
) -> dict[tuple[str, float], pd.DataFrame]:
    """`split` and `value` of the metric for each method and value, a row for each query of `asked`, in its order."""
    settled = [(method, value) for method, grid in grids.items() for value in grid]
    judged = judged[judged["query_id"].isin(asked["query_id"])]
    scored = {}
    for key, rank in zip(settled, ranks(legs, settled, settings.depth, judged, label), strict=True):
        found = retrieval.Found(rank, np.zeros(len(asked), np.int64))
        values = retrieval.outcomes(found, judged, asked, [settings.metric], threshold=threshold)
        scored[key] = values.loc[values["scope"] == "all", ["split", "value"]]
    return scored if len(asked) else {}
