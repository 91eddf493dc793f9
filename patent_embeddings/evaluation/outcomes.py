"""Outcomes of every query, family or k-means run of a landscape, and scores with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from patent_embeddings.core import layout, tables, vectors
from patent_embeddings.core.arrays import Booleans, Floats, Integers
from patent_embeddings.core.ids import category, places
from patent_embeddings.core.progress import say, track
from patent_embeddings.evaluation.classification import classify
from patent_embeddings.evaluation.clustering import Known, cluster
from patent_embeddings.evaluation.retrieval import Found
from patent_embeddings.evaluation.retrieval import found as lookup
from patent_embeddings.evaluation.retrieval import outcomes as of_queries
from patent_embeddings.evaluation.schemas import OUTCOMES, SCORES
from patent_embeddings.evaluation.statistics import Result, mean_interval
from patent_embeddings.evaluation.systems import FEWEST_OF, OPTIONAL, ORACLES, RETRIEVAL, metrics
from patent_embeddings.evaluation.values import MetricsValues

Parts = tuple[list[pd.DataFrame], list[pd.DataFrame]]
Run = Callable[[str], Iterable[pd.DataFrame]]
_SMALL = 5000  # families or queries


@dataclass(frozen=True)
class Judged:
    """The ground truth of a landscape, and how retrieval is measured on it."""

    queries: pd.DataFrame  # rows of `QUERIES`
    qrels: pd.DataFrame  # rows of `QRELS`
    reachable: Booleans  # whether the family of each judgement is in the pool of its query, [judgements]
    labels: pd.DataFrame  # rows of `LABELS`
    metrics: Sequence[str] = metrics("retrieval")
    threshold: int = 1  # least relevance that counts as relevant for binary metrics


def measure(
    landscape: str, judged: Judged, run: Run, oracles: pd.DataFrame, values: MetricsValues
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Evaluate a landscape: rows of `OUTCOMES` and of `SCORES`.

    `run` reads the run of a retrieval system, rows of `RUN` in parts, so that one part is in memory at a time.
    `oracles` are rows of `ORACLES`. Raises UserError: a run or the vectors are absent or damaged.
    """
    labelled = int(judged.labels["family_id"].nunique())
    # In small matrix products threads wait for each other longer than they compute.
    with threadpool_limits(1 if max(labelled, len(judged.queries)) < _SMALL else None):
        outcomes, scores = retrieval(landscape, judged, RETRIEVAL, run, oracles)
        if labelled:
            ragged = vectors.several(values.similarity, values.window)
            classified = classification(*family_vectors(landscape, "classification", ragged), judged.labels)
            clustered = clustering(*family_vectors(landscape, "clustering", ragged), judged.labels, values)
            outcomes, scores = outcomes + classified[0] + clustered[0], scores + classified[1] + clustered[1]
    scores = [frame.assign(landscape=landscape, simulated=values.simulated) for frame in scores]
    return _stacked(outcomes), tables.typed(pd.concat(scores, ignore_index=True), SCORES) if scores else tables.empty(
        SCORES
    )


def retrieval(landscape: str, judged: Judged, systems: Sequence[str], run: Run, oracles: pd.DataFrame) -> Parts:
    """Outcomes of the queries of all splits and scores of the test queries, of every retrieval system; see `measure`.

    Queries without a reachable relevant family are left out, and so is an optional system whose run has no rows.
    """
    if judged.queries.empty:
        return [], []
    found: dict[str, Found] = {}
    for system in track(systems, len(systems), f"metrics {landscape}", unit="runs"):
        looked_up = lookup(run(system), judged.qrels, judged.queries)
        if system not in OPTIONAL or looked_up.results.any():
            found[system] = looked_up
    for oracle in ORACLES:
        rows = oracles[oracles["system"] == oracle]
        # Its table has the judged families only; its number of results is that of the tuned fusion.
        ranks = rows.set_index(["query_id", "family_id"])["rank"]
        rank = ranks.reindex(pd.MultiIndex.from_frame(judged.qrels[["query_id", "family_id"]]), fill_value=0)
        found[oracle] = Found(rank.to_numpy(), found[oracle.removeprefix("oracle-")].results)
    names = sorted(found)
    outcomes = []
    for place, system in enumerate(names):
        scored = of_queries(
            found[system], judged.qrels, judged.queries, judged.metrics, judged.reachable, judged.threshold
        )
        same = np.full(len(scored), place)
        outcomes.append(scored.assign(system=category(same, names), task=category(same * 0, ["retrieval"])))
    return outcomes, mean_scores(outcomes)


def mean_scores(outcomes: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Mean scores over the test queries of each scope, with intervals where there are enough queries.

    `outcomes` are the rows of `OUTCOMES` of each system, with the same queries in the same order. Returns a frame for
    each scope, with the columns of `SCORES` but for `landscape` and `simulated`.
    """
    test = pd.concat([frame[frame["split"] == "test"] for frame in outcomes], ignore_index=True)
    scores = []
    for scope, rows in test.groupby("scope", sort=True):
        columns = rows.groupby(["system", "metric"], sort=True)["value"]
        values = np.column_stack([column.to_numpy() for _, column in columns])
        keys = pd.DataFrame([key for key, _ in columns], columns=["system", "metric"])
        enough = len(values) >= keys["metric"].map(FEWEST_OF).to_numpy()
        low, high = (np.where(enough, bound, np.nan) for bound in mean_interval(values))
        means = keys.assign(value=values.mean(axis=0), ci_low=low, ci_high=high)
        scores.append(means.assign(task="retrieval", scope=scope, n=len(values)))
    return scores


def classification(families: list[str], rows: Floats, labels: pd.DataFrame) -> Parts:
    """Outcomes (`LRAP`, `tp`, `fp`, `fn` of each family) and scores of every classifier on every label set.

    `rows` are the vectors, float32 [families, dimension].
    """
    lacking = "train, dev or test has no labelled family; not classified"
    return _tables("classification", classify(rows, families, labels), labels["label_set"].nunique(), lacking)


def clustering(families: list[str], rows: Floats, labels: pd.DataFrame, values: MetricsValues) -> Parts:
    """Outcomes and scores of clustering on every label set; a unit is a k-means run, `seed-0`, `seed-1`, ...

    `rows` are the vectors, float32 [families, dimension]; `values` have the number of runs and the first seed.
    """
    how, known = values.metrics, Known()
    sets = labels.groupby("label_set", sort=True)
    found = ((name, cluster(rows, families, part, how.clusterings, how.seed, known)) for name, part in sets)
    lacking = "fewer than two labels, or than two test families a label; not clustered"
    return _tables("clustering", found, sets.ngroups, lacking)


def _tables(task: str, found: Iterable[tuple[Any, dict[str, Result]]], sets: int, lacking: str) -> Parts:
    """Outcomes and scores of the systems of a task on a number of label sets; `lacking`: why one has none."""
    outcomes, scores = [], []
    for label_set, results in track(found, sets, task, unit="label sets"):
        if not results:
            say(f"{label_set}: {lacking}")
        for system, result in results.items():
            key = {"task": task, "system": system, "scope": label_set}
            for metric, value in result.outcomes.items():
                frame = pd.DataFrame({"query_id": result.units, "metric": metric, "value": value})
                outcomes.append(frame.assign(split="test", **key))
            bounds = [(metric, *three) for metric, three in result.scores.items()]
            table = pd.DataFrame(bounds, columns=["metric", "value", "ci_low", "ci_high"])
            scores.append(table.assign(n=result.n, **key))
    return outcomes, scores


def family_vectors(landscape: str, task: str, ragged: bool) -> tuple[list[str], Floats]:
    """Families and their vectors [families, dimension] for a task, made with its prompt where the model has one.

    `ragged`: a family has several rows, of tokens or passages, which are averaged.
    """
    side = task if layout.vectors(landscape, task).exists() else "documents"
    found = vectors.read(landscape, side, ragged=ragged)
    return found.ids, found.rows if found.first is None else pooled(found.rows, found.first)


def pooled(rows: Floats, first: Integers) -> Floats:
    """Mean of the vectors [tokens or passages, dimension] of each family; `first` are its first rows, ascending."""
    counts = np.diff(np.append(first, len(rows)))
    # reduceat cannot sum zero rows: a family without tokens has a zero vector.
    means = np.zeros((len(first), rows.shape[1]), dtype=np.float32)
    filled = counts > 0
    means[filled] = np.add.reduceat(rows, first[filled], axis=0) / counts[filled][:, None]
    return means


def _stacked(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate frames of outcomes; their text columns become categorical, with ascending categories."""
    if not frames:
        return tables.empty(OUTCOMES)
    stacked: dict[str, Any] = {"value": np.concatenate([frame["value"] for frame in frames])}
    for name in OUTCOMES.columns.keys() - stacked.keys():
        columns = [frame[name].astype("category") for frame in frames]
        every = pd.Index(np.unique(np.concatenate([column.cat.categories for column in columns])), dtype="str")
        stacked[name] = pd.Categorical.from_codes(np.concatenate([places(column, every) for column in columns]), every)
    return pd.DataFrame(stacked)[list(OUTCOMES.columns)]
