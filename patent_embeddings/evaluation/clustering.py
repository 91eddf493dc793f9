"""k-means of the test families against their labels, beside the same procedure on random vectors.

Gold is the primary label, the first of the family's list; k is the number of gold labels. The score
is the mean over k-means runs with seeds of their own. Resampling with replacement would plant
identical families, which cluster together, so intervals come from subsamples without replacement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import RandomState
from scipy.sparse import csr_matrix
from scipy.special import comb, entr
from sklearn.cluster import KMeans
from sklearn.metrics.cluster import expected_mutual_information
from sklearn.preprocessing import normalize

from patent_embeddings.core.arrays import Doubles, Floats, Integers
from patent_embeddings.core.ids import places
from patent_embeddings.evaluation.statistics import score_interval
from patent_embeddings.evaluation.systems import FEWEST_OF, metrics

METRICS = metrics("clustering")
SHARE = 0.8  # of the families, in a subsample
SUBSAMPLES = 40


@dataclass(frozen=True)
class Result:
    """What one system did."""

    runs: Doubles  # `METRICS` of each run, [runs, 3]
    low: Doubles  # lower bound of the interval of their mean, [3], or NaN
    high: Doubles  # upper bound, likewise
    n: int  # families


def cluster(vectors: Floats, families: list[str], labels: pd.DataFrame, runs: int, seed: int) -> dict[str, Result]:
    """Cluster the test families under one label set.

    `vectors` are float32 [families, dimensions], maybe a memory map; `labels` rows of `LABELS` of one label set; `seed`
    is that of the first run, each further one has the next. Returns a result for `kmeans` and for `random`; none where
    there are fewer than two gold labels, or than two families a label.
    """
    test = labels[(labels["split"] == "test") & labels["family_id"].isin(families)]
    names, truth = np.unique(test["labels"].str[0].to_numpy(dtype=str), return_inverse=True)
    if len(names) < 2 or len(truth) < 2 * len(names):
        return {}
    rows = np.asarray(vectors[places(test["family_id"], families)], dtype=np.float32)
    found = {"kmeans": partitions(rows, len(names), runs, seed)}
    found["random"] = random_partitions(len(rows), rows.shape[1], len(names), runs, seed)
    n = len(truth)
    return {name: Result(scores(truth, each), *intervals(truth, each, seed), n) for name, each in found.items()}


def partitions(vectors: Floats, clusters: int, runs: int, seed: int) -> Integers:
    """Cluster [runs, families] of each vector on the unit sphere; run i has seed + i."""
    unit = normalize(vectors)
    models = [KMeans(clusters, init=spread, n_init=1, max_iter=100, random_state=seed + run) for run in range(runs)]
    return np.stack([model.fit_predict(unit) for model in models]).astype(np.int64)


def spread(vectors: Floats, clusters: int, random_state: RandomState) -> Floats:
    """First centres [clusters, dimensions]: scikit-learn's greedy k-means++, draw for draw.

    Its own turns all vectors into float64 once a centre, which takes longer than k-means itself.
    """
    n, trials, ones = len(vectors), 2 + int(np.log(clusters)), np.ones(len(vectors), dtype=np.float32)
    wide = vectors.astype(np.float64)
    squares = np.einsum("ij,ij->i", wide, wide)

    def distances(rows: Integers) -> Floats:
        found = -2 * (wide[rows] @ wide.T) + squares[rows][:, None] + squares
        return np.maximum(found.astype(np.float32), 0)

    chosen = [random_state.choice(n, p=ones / ones.sum())]
    nearest = distances(np.array(chosen))[0]
    for _ in range(1, clusters):
        drawn = random_state.uniform(size=trials) * (nearest @ ones)
        tried = np.minimum(np.searchsorted(np.cumsum(nearest), drawn), n - 1)
        left = np.minimum(nearest, distances(tried))
        best = int(np.argmin(left @ ones))
        nearest = left[best]
        chosen.append(tried[best])
    return vectors[chosen]


def random_partitions(families: int, dimensions: int, clusters: int, runs: int, seed: int) -> Integers:
    """The floor: the same of Gaussian vectors, drawn anew for each run."""
    generators = (np.random.default_rng(seed + run) for run in range(runs))
    drawn = [each.normal(size=(families, dimensions)).astype(np.float32) for each in generators]
    return np.concatenate([partitions(vectors, clusters, 1, seed + run) for run, vectors in enumerate(drawn)])


def scores(truth: Integers, found: Integers) -> Doubles:
    """`METRICS` [runs, 3] of partitions [runs, families] against gold labels [families], both numbered from 0.

    scikit-learn's definitions, equal to 1e-15, from one contingency table for the three: its own functions build and
    check it for each, which takes 5 ms a partition of 400 families instead of 0.6, and a landscape has thousands.
    """
    groups, clusters = truth.max() + 1, found.max() + 1
    counts = [np.bincount(run, minlength=groups * clusters) for run in truth * clusters + found]
    return np.array([_agreement(each.reshape(groups, clusters)) for each in counts])


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
    rand = (pairs - chance) / ((of_rows + of_columns) / 2 - chance)
    return shared / mean, (shared - expected) / (mean - expected), rand


def intervals(truth: Integers, found: Integers, seed: int) -> tuple[Doubles, Doubles]:
    """95 % interval of the mean score over runs, lower and upper bound [3]; NaN of too few families.

    Variance over families is the delete-d jackknife's (Shao and Wu 1989): that of subsamples without
    replacement, common to the runs, times kept / dropped. The variance over runs is added to it. The
    interval is around the score of all families, since scores of subsamples are off centre, and keeps to
    what the score can be (`score_interval`): V-measure is never below 0, and none above 1.
    """
    n = len(truth)
    if n < max(FEWEST_OF[metric] for metric in METRICS):
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
