"""Runs and vectors -> scores of the test split with intervals, and the outcome of every query, family or run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from patent_embeddings.core import layout, tables
from patent_embeddings.core.progress import say, track
from patent_embeddings.core.vectors import load
from patent_embeddings.corpus.pool import out_of_reach, reachable
from patent_embeddings.corpus.schemas import POOL
from patent_embeddings.encoders.schemas import ROWS, TOKEN_ROWS
from patent_embeddings.evaluation.classification import classify
from patent_embeddings.evaluation.clustering import METRICS, cluster
from patent_embeddings.evaluation.retrieval import FEWEST, per_query
from patent_embeddings.evaluation.statistics import mean_interval
from patent_embeddings.retrieval.schemas import RUN

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from patent_embeddings.core.params import Metrics

    Vectors = npt.NDArray[np.float32]
    Parts = tuple[list[pd.DataFrame], list[pd.DataFrame]]

RETRIEVAL = ("bm25", "dense", "rrf", "interpolation", "reranked", "oracle-rrf", "oracle-interpolation")
_SMALL = 5000  # families or queries


def retrieval(landscape: str, qrels: pd.DataFrame, queries: pd.DataFrame, pool: str) -> Parts:
    """Outcomes of the queries of all splits and scores of the test queries, for every system.

    Where only earlier families are ranked (`pool`), queries that have no such relevant family are left out. A reranked
    run without rows means that no reranker was chosen; it is left out.
    """

    if queries.empty:
        return [], []
    reach = None
    if pool == "earlier":
        reach = reachable(qrels, tables.read(layout.task(landscape, "pool"), POOL), earlier=True)
        if lost := out_of_reach(qrels, reach, queries):
            say(f"{landscape}: {lost}")
    outcomes = []
    systems = [system for system in RETRIEVAL if system != "reranked" or layout.run(landscape, system).exists()]
    for system in track(systems, len(systems), f"metrics {landscape}", unit="runs"):
        found = tables.read(layout.run(landscape, system), RUN)
        if system == "reranked" and found.empty:
            continue
        outcomes.append(per_query(found, qrels, queries, reachable=reach).assign(system=system, task="retrieval"))
    return outcomes, mean_scores(outcomes)


def mean_scores(outcomes: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Means over the test queries of each scope, with intervals where there are enough queries.

    Args:
        outcomes: for each system its rows of `OUTCOMES`, the same queries in the same order.

    Returns:
        A frame for each scope, with the columns of `SCORES` that are not the landscape's.
    """

    test = pd.concat([frame[frame["split"] == "test"] for frame in outcomes], ignore_index=True)
    scores = []
    for scope, rows in test.groupby("scope", sort=True):
        columns = rows.groupby(["system", "metric"], sort=True)["value"]
        values = np.column_stack([column.to_numpy() for _, column in columns])
        keys = pd.DataFrame([key for key, _ in columns], columns=["system", "metric"])
        enough = len(values) >= keys["metric"].map(FEWEST).fillna(0).to_numpy()
        low, high = (np.where(enough, bound, np.nan) for bound in mean_interval(values))
        scores.append(keys.assign(task="retrieval", scope=scope, value=values.mean(axis=0), ci_low=low, ci_high=high, n=len(values)))  # fmt: skip
    return scores


def classification(vectors: Vectors, families: pd.Series, labels: pd.DataFrame, _: Metrics) -> Parts:
    """Outcomes (`LRAP`, `tp`, `fp`, `fn` of a family) and scores of every classifier under every label set."""

    outcomes, scores = [], []
    for label_set, rows in labels.groupby("label_set", sort=True):
        results = classify(vectors, families, rows)
        if not results:
            say(f"{label_set}: train, dev or test has no labelled family; not classified")
        for system, result in results.items():
            outcomes += [
                pd.DataFrame({"query_id": result.family_id, "metric": metric, "value": value}).assign(
                    system=system, scope=label_set, split="test"
                )
                for metric, value in result.outcomes.items()
            ]
            table = pd.DataFrame(
                [(metric, *bounds) for metric, bounds in result.scores.items()],
                columns=["metric", "value", "ci_low", "ci_high"],
            )
            scores.append(table.assign(system=system, scope=label_set, n=len(result.family_id)))
    return outcomes, scores


def clustering(vectors: Vectors, families: pd.Series, labels: pd.DataFrame, settings: Metrics) -> Parts:
    """Outcomes (of a k-means run; the unit is `seed-0`, `seed-1`, ...) and scores under every label set."""

    outcomes, scores = [], []
    for label_set, rows in labels.groupby("label_set", sort=True):
        results = cluster(vectors, families, rows, settings.clusterings, settings.seed)
        if not results:
            say(f"{label_set}: fewer than two labels, or than two test families a label; not clustered")
        for system, result in results.items():
            units = [f"seed-{run}" for run in range(len(result.runs))]
            outcomes += [
                pd.DataFrame({"query_id": units, "metric": metric, "value": result.runs[:, place]}).assign(
                    system=system, scope=label_set, split="test"
                )
                for place, metric in enumerate(METRICS)
            ]
            table = pd.DataFrame(
                {"metric": METRICS, "value": result.runs.mean(axis=0), "ci_low": result.low, "ci_high": result.high}
            )
            scores.append(table.assign(system=system, scope=label_set, n=result.n))
    return outcomes, scores


def family_vectors(landscape: str, task: str, ragged: bool) -> tuple[pd.Series, Vectors]:
    """Families and their vectors [families, dimension] for a task: its own where the model has a prompt for it.

    `ragged`: several rows a family, its tokens or passages, whose mean is taken.
    """

    side = task if layout.vectors(landscape, task).exists() else "documents"
    rows = tables.read(layout.vector_ids(landscape, side), TOKEN_ROWS if ragged else ROWS)
    vectors = load(layout.vectors(landscape, side), rows=None if ragged else len(rows))
    return rows["family_id"], pooled(vectors, rows["offset"].to_numpy()) if ragged else vectors


def pooled(tokens: Vectors, offsets: npt.NDArray[np.int64]) -> Vectors:
    """Mean of the vectors [tokens or passages, dimension] of each family, which start at its offset, ascending."""

    counts = np.diff(np.append(offsets, len(tokens)))
    # reduceat takes no empty stretch: a family without tokens stays at zero.
    means = np.zeros((len(offsets), tokens.shape[1]), dtype=np.float32)
    filled = counts > 0
    means[filled] = np.add.reduceat(tokens, offsets[filled], axis=0) / counts[filled][:, None]
    return means


def _joined(frames: list[pd.DataFrame], columns: dict[str, str]) -> pd.DataFrame:
    """Frames below one another, typed; with no frames, no rows."""

    types = {"text": "str", "int": "int64", "bool": "bool", "float64": "float64"}
    whole = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame({name: [] for name in columns})
    return whole[list(columns)].astype({name: types[kind] for name, kind in columns.items()})
