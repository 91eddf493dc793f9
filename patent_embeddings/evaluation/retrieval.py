"""Retrieval metrics from the ranks of relevant hits, equal to ir-measures' and at array speed.

Definitions are trec_eval's, under the names that ir-measures gives them: gain of nDCG is the
relevance and its discount log2(rank + 1); R@k divides by all relevant families; AP and RR look
at the whole ranking. These three know relevant or not, by a threshold. The `rank` column decides,
scores are not looked at, so that ties cannot matter. What is relevant in another scope counts as
not relevant, and keeps its rank. Judged@k is the share of the k best that somebody judged, in
whatever grade and scope.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from patent_embeddings.core.arrays import Booleans, Doubles, Integers
from patent_embeddings.core.ids import places
from patent_embeddings.evaluation.systems import metrics

Rows = pd.DataFrame
METRICS = metrics("retrieval")
SCOPES = ("all", "in", "out", "in-paired", "out-paired")
_BLOCK = 1 << 22  # rows of a run looked up at once: bounds memory, not the result


def per_query(
    run: Rows,
    qrels: Rows,
    queries: Rows,
    metrics: Sequence[str] = METRICS,
    reachable: Booleans | None = None,
    threshold: int = 1,
) -> Rows:
    """Score every query in every scope.

    `run` has `query_id`, `family_id` (text or categorical) and `rank` from 1; relevance 0 or less in `qrels` is not
    relevant; of queries that `queries` lacks nothing is asked. `metrics` are named as ir-measures writes them: `nDCG`,
    `R`, `Judged` with `@k`, `AP`, `RR`. `reachable`: of each judgement, whether the pool lets its family be found;
    None: all are. `threshold`: the least relevance that is relevant to `R`, `AP` and `RR`.

    Returns `scope`, `metric`, `query_id`, `split`, `value` (float64 in 0..1), one row for every query that has a
    relevant family within reach in the scope; 0 where the run has nothing for it. The paired scopes hold the queries
    that have relevant families both IN and OUT. Raises ValueError: a metric of another name.
    """
    ids = queries["query_id"].to_numpy()
    judged = ((qrels["relevance"] > 0) & qrels["query_id"].isin(ids)).to_numpy()
    relevant = qrels[judged]
    within = np.ones(len(relevant), dtype=bool) if reachable is None else reachable[judged]
    query = places(relevant["query_id"], ids)
    gain = relevant["relevance"].to_numpy(dtype=np.float64)
    scope = relevant["scope"].to_numpy()
    judgement, rank = _hits(run, ids, query, relevant["family_id"].to_numpy())
    shares = {name: _judged(run, qrels, ids, int(name[7:])) for name in metrics if name.startswith("Judged@")}

    here: dict[str, Any] = {}
    values: dict[str, list[Doubles]] = {}
    for name in ("all", "in", "out"):
        chosen = np.ones(len(scope), dtype=bool) if name == "all" else scope == name
        found = chosen[judgement]
        here[name] = np.bincount(query[chosen & within], minlength=len(ids)) > 0
        hits = judgement[found]
        ours = query[chosen], gain[chosen], query[hits], gain[hits], rank[found], len(ids), threshold
        values[name] = [shares[metric] if metric in shares else _values(metric, *ours) for metric in metrics]
    for name in ("in", "out"):
        here[f"{name}-paired"] = here["in"] & here["out"]
        values[f"{name}-paired"] = values[name]

    split = queries["split"].to_numpy()
    frames = [
        pd.DataFrame({"query_id": ids, "split": split, "value": value})[here[name]].assign(scope=name, metric=metric)
        for name in SCOPES
        for metric, value in zip(metrics, values[name], strict=True)
    ]
    return pd.concat(frames, ignore_index=True)[["scope", "metric", "query_id", "split", "value"]]


def _hits(run: Rows, ids: Any, query: Integers, family: Any) -> tuple[Integers, Integers]:
    """Relevant hits of a run, by query and rank: row of the judgement, and rank."""
    families = pd.Index(pd.unique(family))
    judged = pd.Index(query * np.int64(len(families)) + places(family, families))
    rows, ranks = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for start in range(0, len(run), _BLOCK):
        block = run.iloc[start : start + _BLOCK]
        left, right = places(block["query_id"], ids), places(block["family_id"], families)
        known = np.flatnonzero((left >= 0) & (right >= 0))
        row = judged.get_indexer(pd.Index(left[known] * np.int64(len(families)) + right[known]))
        rows.append(row[row >= 0])
        ranks.append(block["rank"].to_numpy(dtype=np.int64)[known[row >= 0]])
    judgement, rank = np.concatenate(rows), np.concatenate(ranks)
    order = np.lexsort((rank, query[judgement]))
    return judgement[order], rank[order]


def _judged(run: Rows, qrels: Rows, ids: Any, cut: int) -> Doubles:
    """Share of the results of each query down to a rank that are judged at all; 0 without a result."""
    every, top = qrels[qrels["query_id"].isin(ids)], run[run["rank"] <= cut]
    query = places(every["query_id"], ids)
    found, _ = _hits(top, ids, query, every["family_id"].to_numpy())
    asked = places(top["query_id"], ids)
    return np.bincount(query[found], minlength=len(ids)) / np.maximum(
        np.bincount(asked[asked >= 0], minlength=len(ids)), 1
    )


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
    """One metric for queries 0..n-1; 0 where a query has no relevant family or no hit.

    `query`: query of each relevant family. `gain`: its relevance. `hit_query`: query of each relevant hit, in order of
    query and rank. `hit_gain`: its relevance. `rank`: its rank.
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
    """Discounted cumulative gain of each query, down to a rank."""
    near = rank <= cut
    return _total(query[near], gain[near] / np.log2(rank[near] + 1.0), n)


def _total(query: Integers, weights: npt.NDArray[Any], n: int) -> Doubles:
    """Sum of the weights of each query 0..n-1."""
    return np.asarray(np.bincount(query, weights=weights, minlength=n), dtype=np.float64)


def _places(query: Integers) -> Integers:
    """Place 1, 2, 3, ... of each row within its query; rows of a query lie together."""
    place = np.arange(len(query))
    starts = np.flatnonzero(np.r_[True, query[1:] != query[:-1]]) if len(query) else place
    return np.asarray(place - np.repeat(starts, np.diff(np.r_[starts, len(query)])) + 1, dtype=np.int64)
