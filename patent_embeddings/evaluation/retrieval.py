"""Retrieval metrics, equal to those of ir-measures, computed with arrays from the ranks of the judged families.

Definitions are trec_eval's, names those of ir-measures. nDCG has linear gains and the discount log2(rank + 1). R@k
divides by the number of relevant families. AP and RR read the whole ranking. These three are binary, by a threshold on
the relevance. The order of a run is its `rank` column; scores are ignored, so that ties cannot matter. A family that is
relevant in another scope only counts as not relevant, and keeps its rank. Judged@k is the share of the top k that has a
judgement, of any grade and scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from patent_embeddings.core.arrays import Booleans, Doubles, Integers
from patent_embeddings.core.ids import category, places
from patent_embeddings.core.tables import SPLITS
from patent_embeddings.evaluation.systems import metrics

Rows = pd.DataFrame
METRICS = metrics("retrieval")
_MARKS = 1 << 22  # size of the filter for judged pairs: 4 MiB, which stay in the processor's cache
SCOPES = ("all", "in", "out", "in-paired", "out-paired")


@dataclass(frozen=True)
class Found:
    """What the metrics need to know of a run."""

    rank: Integers  # of each judgement, 0 where the run lacks its family, int64 [judgements]
    results: Integers  # number of results of each query, int64 [queries]


def found(run: Iterable[Rows], qrels: Rows, queries: Rows) -> Found:
    """Look up the ranks of the judged families in a run, which comes in parts that are read once each.

    A part has the columns `query_id`, `family_id` (text or categorical) and `rank`, from 1.
    """
    ids, families = pd.Index(queries["query_id"]), pd.Index(qrels["family_id"].unique())
    asked = places(qrels["query_id"], ids)
    judged = np.flatnonzero(asked >= 0)
    width = np.int64(len(families))
    own = asked[judged] * width + places(qrels["family_id"].iloc[judged], families)
    numbers, marked = pd.Index(own), np.zeros(_MARKS, dtype=bool)
    marked[own % _MARKS] = True  # a pair without a mark is not judged, as nearly all of a run
    rank, results = np.zeros(len(qrels), np.int64), np.zeros(len(ids), np.int64)
    for part in run:
        query, family = places(part["query_id"], ids), places(part["family_id"], families)
        results += np.bincount(query[query >= 0], minlength=len(ids))
        pair = query * width + family
        known = np.flatnonzero(marked[pair % _MARKS] & (query >= 0) & (family >= 0))
        row = numbers.get_indexer(pd.Index(pair[known]))
        rank[judged[row[row >= 0]]] = part["rank"].to_numpy()[known[row >= 0]]
    return Found(rank, results)


def per_query(
    run: Rows,
    qrels: Rows,
    queries: Rows,
    metrics: Sequence[str] = METRICS,
    reachable: Booleans | None = None,
    threshold: int = 1,
) -> Rows:
    """`outcomes` of a run that is in memory."""
    return outcomes(found([run], qrels, queries), qrels, queries, metrics, reachable, threshold)


def outcomes(
    found: Found,
    qrels: Rows,
    queries: Rows,
    metrics: Sequence[str] = METRICS,
    reachable: Booleans | None = None,
    threshold: int = 1,
) -> Rows:
    """Score every query in every scope.

    `found` belongs to these judgements and queries. Relevance 0 or less in `qrels` is not relevant, and judgements of
    queries that are not in `queries` are ignored. `metrics` have the names of ir-measures: `nDCG@k`, `R@k`, `Judged@k`,
    `AP`, `RR`. `reachable`: for each judgement, whether its family is in the pool of its query; None: all are.
    `threshold`: least relevance that counts as relevant for `R`, `AP` and `RR`.

    Returns `scope`, `metric`, `query_id`, `split` (categorical, categories ascending), `value` (float64 in 0..1), one
    row for every query with a reachable relevant family in the scope; 0 where the run has no result for it. The paired
    scopes hold the queries that have relevant families both IN and OUT. Raises ValueError: an unknown metric.
    """
    ids = queries["query_id"]
    asked = places(qrels["query_id"], ids)
    shares = {name: _judged(found, asked, int(name[7:])) for name in metrics if name.startswith("Judged@")}
    relevant = ((qrels["relevance"] > 0) & (asked >= 0)).to_numpy()
    within = np.ones(int(relevant.sum()), dtype=bool) if reachable is None else reachable[relevant]
    query, rank = asked[relevant], found.rank[relevant]
    gain = qrels["relevance"].to_numpy(dtype=np.float64)[relevant]
    scope = qrels["scope"].to_numpy()[relevant]
    hits = np.flatnonzero(rank)
    hits = hits[np.lexsort((rank[hits], query[hits]))]

    here: dict[str, Any] = {}
    values: dict[str, list[Doubles]] = {}
    for name in ("all", "in", "out"):
        chosen = np.ones(len(scope), dtype=bool) if name == "all" else scope == name
        mine = hits[chosen[hits]]
        here[name] = np.bincount(query[chosen & within], minlength=len(ids)) > 0
        ours = query[chosen], gain[chosen], query[mine], gain[mine], rank[mine], len(ids), threshold
        scored = [shares[metric] if metric in shares else _values(metric, *ours) for metric in metrics]
        values[name] = values[f"{name}-paired"] = scored
    here["in-paired"] = here["out-paired"] = here["in"] & here["out"]

    kept = [np.flatnonzero(here[scope]) for scope in SCOPES for _ in metrics]
    counts = [len(one) for one in kept]
    rows, every = np.concatenate(kept), chain(*(values[scope] for scope in SCOPES))
    return pd.DataFrame(
        {
            "scope": category(np.repeat(np.arange(len(SCOPES)).repeat(len(metrics)), counts), SCOPES),
            "metric": category(np.repeat(np.tile(np.arange(len(metrics)), len(SCOPES)), counts), metrics),
            "query_id": category(rows, ids),
            "split": category(places(queries["split"], SPLITS)[rows], SPLITS),
            "value": np.concatenate([one[at] for at, one in zip(kept, every, strict=True)]),
        }
    )


def _judged(found: Found, asked: Integers, cut: int) -> Doubles:
    """Share of the top results of each query that have a judgement; 0 without a result."""
    judged = asked[(asked >= 0) & (found.rank > 0) & (found.rank <= cut)]
    top = np.minimum(found.results, cut)
    return np.asarray(np.bincount(judged, minlength=len(top)) / np.maximum(top, 1))


def _values(
    metric: str,
    query: Integers,
    gain: Doubles,
    hit_query: Integers,
    hit_gain: Doubles,
    rank: Integers,
    n: int,
    threshold: int,
) -> Doubles:
    """Values of one metric for queries 0..n-1; 0 where a query has no relevant family or none is found.

    `query`, `gain`: query and relevance of each relevant family. `hit_query`, `hit_gain`, `rank`: query, relevance and
    rank of each relevant family that the run found, in order of query and rank.
    """
    name, _, cut = metric.partition("@")
    if name == "nDCG" and cut:
        best = np.lexsort((-gain, query))
        ideal = _discounted(query[best], gain[best], _places(query[best]), int(cut), n)
        return _discounted(hit_query, hit_gain, rank, int(cut), n) / np.where(ideal > 0, ideal, 1.0)
    counted = hit_gain >= threshold
    hit_query, hit_gain, rank = hit_query[counted], hit_gain[counted], rank[counted]
    relevant = np.maximum(np.bincount(query[gain >= threshold], minlength=n), 1)
    if name == "R" and cut:
        near = rank <= int(cut)
        return _total(hit_query[near], hit_gain[near] > 0, n) / relevant
    if name == "AP" and not cut:
        return _total(hit_query, _places(hit_query) / rank, n) / relevant
    if name == "RR" and not cut:
        first = _places(hit_query) == 1
        return _total(hit_query[first], 1.0 / rank[first], n)
    raise ValueError(f"metric {metric!r} is not one of nDCG@k, R@k, AP, RR, Judged@k")


def _discounted(query: Integers, gain: Doubles, rank: Integers, cut: int, n: int) -> Doubles:
    """Discounted cumulative gain of each query at a cut-off."""
    near = rank <= cut
    return _total(query[near], gain[near] / np.log2(rank[near] + 1.0), n)


def _total(query: Integers, weights: npt.NDArray[Any], n: int) -> Doubles:
    """Sum of weights for each query 0..n-1."""
    return np.asarray(np.bincount(query, weights=weights, minlength=n), dtype=np.float64)


def _places(query: Integers) -> Integers:
    """Number 1, 2, 3, ... of each row within its query; the rows of a query are contiguous."""
    place = np.arange(len(query))
    starts = np.flatnonzero(np.r_[True, query[1:] != query[:-1]]) if len(query) else place
    return np.asarray(place - np.repeat(starts, np.diff(np.r_[starts, len(query)])) + 1, dtype=np.int64)
