"""k-means of the test families against their labels, beside the same procedure on random vectors.

Gold is the primary label, the first of the family's list; k is the number of gold labels. The score
is the mean over k-means runs with seeds of their own. Resampling with replacement would plant
identical families, which cluster together, so intervals come from subsamples without replacement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.special import comb, entr
from sklearn.cluster import KMeans
from sklearn.metrics.cluster import expected_mutual_information
from sklearn.preprocessing import normalize

from patent_embeddings.evaluation.statistics import score_interval

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Vectors = npt.NDArray[np.float32]
    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]
    Partitions = npt.NDArray[np.int64]

METRICS = ("V-measure", "AMI", "ARI")
SYSTEMS = ("kmeans", "random")
FEWEST = 10  # families behind an interval: of six, AMI's covers 82 % instead of 95
SHARE = 0.8  # of the families, in a subsample
SUBSAMPLES = 40


@dataclass(frozen=True)
class Result:
    """What one system did: `METRICS` of each run [runs, 3], and of their mean the interval [3] over n families, or NaN."""

    runs: Floats
    low: Floats
    high: Floats
    n: int


def cluster(vectors: Vectors, families: pd.Series, labels: pd.DataFrame, runs: int, seed: int) -> dict[str, Result]:
    """Cluster the test families under one label set.

    Args:
        vectors: float32 [families, dimensions]; may be memory-mapped.
        families: family id of each row.
        labels: rows of `LABELS` of one label set.
        runs: k-means runs.
        seed: of the first run; each further one has the next.

    Returns:
        A result for each of `SYSTEMS`; empty where there are fewer than two gold labels, or no two
        families a label.
    """

    test = labels[(labels["split"] == "test") & labels["family_id"].isin(families)]
    names, truth = np.unique(test["labels"].str[0].to_numpy(dtype=str), return_inverse=True)
    if len(names) < 2 or len(truth) < 2 * len(names):
        return {}
    rows = np.asarray(vectors[pd.Index(families).get_indexer(pd.Index(test["family_id"]))], dtype=np.float32)
    found = {
        "kmeans": partitions(rows, len(names), runs, seed),
        "random": random_partitions(len(rows), rows.shape[1], len(names), runs, seed),
    }
    return {
        system: Result(scores(truth, each), *intervals(truth, each, seed), len(truth)) for system, each in found.items()
    }


def partitions(vectors: Vectors, clusters: int, runs: int, seed: int) -> Partitions:
    """Cluster [runs, families] of each vector on the unit sphere; run i has seed + i."""

    unit = normalize(vectors)
    return np.stack([KMeans(clusters, n_init=1, max_iter=100, random_state=seed + run).fit_predict(unit) for run in range(runs)]).astype(np.int64)  # fmt: skip


def random_partitions(families: int, dimensions: int, clusters: int, runs: int, seed: int) -> Partitions:
    """The floor: the same of Gaussian vectors, drawn anew for each run."""

    drawn = [np.random.default_rng(seed + run).normal(size=(families, dimensions)).astype(np.float32) for run in range(runs)]  # fmt: skip
    return np.concatenate([partitions(vectors, clusters, 1, seed + run) for run, vectors in enumerate(drawn)])


def scores(truth: Integers, found: Partitions) -> Floats:
    """`METRICS` [runs, 3] of partitions [runs, families] against gold labels [families], both numbered from 0.

    scikit-learn's definitions, from one contingency table for the three: its own functions build
    and check it for each, which takes nine tenths of their time on a few hundred families.
    """

    groups, clusters = truth.max() + 1, found.max() + 1
    cells = truth * clusters + found
    return np.array([_agreement(np.bincount(run, minlength=groups * clusters).reshape(groups, clusters)) for run in cells])  # fmt: skip


def _agreement(table: Integers) -> tuple[float, float, float]:
    """V-measure, AMI and ARI of a contingency table [gold labels, clusters]."""

    table = table[table.any(axis=1)][:, table.any(axis=0)]
    n, rows, columns = int(table.sum()), table.sum(axis=1), table.sum(axis=0)
    if np.count_nonzero(table) == table.shape[0] == table.shape[1]:  # the same partition
        return 1.0, 1.0, 1.0
    if 1 in table.shape:  # one group on one side only: nothing to agree on
        return 0.0, 0.0, 0.0
    entropies = float(entr(rows / n).sum()), float(entr(columns / n).sum())
    shared = sum(entropies) - float(entr(table / n).sum())
    expected = float(expected_mutual_information(csr_matrix(table), n))
    mean = sum(entropies) / 2
    pairs, of_rows, of_columns = (float(comb(counts, 2).sum()) for counts in (table, rows, columns))
    chance = of_rows * of_columns / comb(n, 2)
    return shared / mean, (shared - expected) / (mean - expected), (pairs - chance) / ((of_rows + of_columns) / 2 - chance)  # fmt: skip


def intervals(truth: Integers, found: Partitions, seed: int) -> tuple[Floats, Floats]:
    """95 % interval of the mean score over runs, lower and upper bound [3]; NaN of fewer than `FEWEST` families.

    Variance over families is the delete-d jackknife's (Shao and Wu 1989): that of subsamples without
    replacement, common to the runs, times kept / dropped. The variance over runs is added to it. The
    interval is around the score of all families, since scores of subsamples are off centre, and keeps to
    what the score can be (`score_interval`): V-measure is never below 0, and none above 1.
    """

    n = len(truth)
    if n < FEWEST:
        return np.full(3, np.nan), np.full(3, np.nan)
    kept = round(SHARE * n)
    generator = np.random.default_rng(seed)
    samples = [generator.choice(n, kept, replace=False) for _ in range(SUBSAMPLES)]
    subsampled = np.array([scores(truth[sample], found[:, sample]).mean(axis=0) for sample in samples])
    each = scores(truth, found)
    variance = subsampled.var(axis=0, ddof=1) * kept / (n - kept)
    if len(found) > 1:
        variance = variance + each.var(axis=0, ddof=1) / len(found)
    value = each.mean(axis=0)
    return score_interval(value, variance * n, n, np.minimum([0.0, -1.0, -1.0], value))
