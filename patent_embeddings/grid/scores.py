"""Scores of groups of rows with their intervals, for tables and charts."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from patent_embeddings.evaluation import statistics
from patent_embeddings.evaluation.systems import LEADING, REQUIRED
from patent_embeddings.grid.intervals import lost, score, score_interval
from patent_embeddings.grid.units import headline_labels, paired, units

FLOOR = "random"  # k-means on random vectors, the floor of V-measure, which is not corrected for chance
RESAMPLES = 2000  # of intervals that are shown in charts only


def scored(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Score with its interval for each group of rows of `units`: `by`, `value`, `low`, `high`, `n`."""
    out = []
    for key, part in rows.groupby(list(by), observed=True, sort=True):
        out.append((*key, score(part), *score_interval(part), len(part)))
    return pd.DataFrame(out, columns=[*by, "value", "low", "high", "n"])


def clustered(scores: pd.DataFrame, floor: bool = False) -> pd.DataFrame:
    """V-measure of k-means by `config`, `landscape` and `simulated`, in the form of `scored`.

    It is the mean over folds, and its interval follows from those of the folds in reports/scores.csv (a jackknife over
    families and runs), since folds share no test family. With `floor`, of random vectors.
    """
    lead, metric = LEADING["clustering"]
    system = FLOOR if floor else lead
    kept = scores[(scores["task"] == "clustering") & (scores["system"] == system) & (scores["metric"] == metric)]
    kept = headline_labels(kept)
    kept = kept.assign(
        simulated=kept["simulated"].astype(str).str.lower() == "true",
        variance=((kept["ci_high"] - kept["ci_low"]) / 2 / statistics.Z) ** 2,
    )
    out = []
    for key, part in kept.groupby(["config", "landscape", "simulated"], observed=True, sort=True):
        folds = part.groupby("fold")[["value", "variance", "n"]].mean()
        value, n = float(folds["value"].mean()), int(folds["n"].sum())
        variance = folds["variance"].sum(skipna=False) / len(folds) ** 2
        low, high = map(float, statistics.score_interval(value, variance * n, n))
        out.append((*key, value, low, high, n))
    return pd.DataFrame(out, columns=["config", "landscape", "simulated", "value", "low", "high", "n"])


def losses(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Relative loss of nDCG@10 from IN to OUT over the queries that have both.

    Columns `config`, `landscape`, `system`, `value`, `low`, `high`, `n`.
    """
    out = []
    for system in REQUIRED:
        inside, outside = (units(outcomes, "retrieval", system, scope) for scope in ("in-paired", "out-paired"))
        pairs = paired(inside, outside, [])
        for key, part in pairs.groupby(["config", "landscape"], observed=True):
            table = part[["numerator_first", "numerator_second"]].to_numpy(dtype=float)
            if table[:, 0].any():
                out.append((*key, system, *lost(table, RESAMPLES, 0), len(table)))
    return pd.DataFrame(out, columns=["config", "landscape", "system", "value", "low", "high", "n"])
