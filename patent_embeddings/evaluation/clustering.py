"""k-means clustering of the test families, scored against their labels, with random vectors as floor.

The gold label of a family is its primary one, the first of its list; k is the number of gold labels. The score is the
mean over k-means runs with different seeds. Intervals come from subsamples without replacement, as the identical
families of a bootstrap resample would cluster together.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from scipy.special import comb, entr, gammaln
from sklearn.cluster import KMeans
from sklearn.preprocessing import normalize

from patent_embeddings.core.arrays import Doubles, Floats, Integers
from patent_embeddings.core.ids import places
from patent_embeddings.core.threads import threads
from patent_embeddings.evaluation.statistics import Result, score_interval
from patent_embeddings.evaluation.systems import FEWEST_OF, metrics

METRICS = metrics("clustering")
Known = dict[tuple[bytes, int], dict[str, Integers]]  # partitions by families and number of clusters
SHARE = 0.8  # share of the families in a subsample
SUBSAMPLES = 40
_TAIL = 45.0  # terms of a probability below exp(-45) are left out of the expected information


def cluster(
    vectors: Floats, families: list[str], labels: pd.DataFrame, runs: int, seed: int, known: Known | None = None
) -> dict[str, Result]:
    """Cluster the test families, and score the clusters on one label set.

    `vectors` are float32 [families, dimensions], maybe a memory map; `labels` are rows of `LABELS` of one label set.
    Run i has the seed `seed` + i. `known` caches partitions between label sets of the same vectors, runs and seed.
    Returns the results of `kmeans` and `random`; none where there are fewer than two gold labels, or fewer than two
    families per label.
    """
    known = {} if known is None else known
    test = labels[(labels["split"] == "test") & labels["family_id"].isin(families)]
    names, truth = np.unique(test["labels"].str[0].to_numpy(dtype=str), return_inverse=True)
    if len(names) < 2 or len(truth) < 2 * len(names):
        return {}
    n, place = len(truth), places(test["family_id"], families)
    key = place.tobytes(), len(names)
    if key not in known:
        rows = np.asarray(vectors[place], dtype=np.float32)
        chance = random_partitions(n, rows.shape[1], len(names), runs, seed)
        known[key] = {"kmeans": partitions(rows, len(names), runs, seed), "random": chance}
    return {name: _result(truth, parts, seed) for name, parts in known[key].items()}


def _result(truth: Integers, found: Integers, seed: int) -> Result:
    """`METRICS` of each run, named `seed-0`, `seed-1`, ..., and their means with intervals."""
    each, bounds = scores(truth, found), intervals(truth, found, seed)
    means = zip(METRICS, each.mean(axis=0), *bounds, strict=True)
    runs, outcomes = [f"seed-{run}" for run in range(len(found))], dict(zip(METRICS, each.T, strict=True))
    return Result(runs, outcomes, {metric: (value, low, high) for metric, value, low, high in means}, len(truth))


def partitions(vectors: Floats, clusters: int, runs: int, seed: int) -> Integers:
    """Cluster of each vector, normalised to unit length, in each run [runs, families]; run i has seed + i."""
    unit = normalize(vectors)
    with threads() as pool:
        return np.stack(list(pool.map(lambda run: _partition(unit, clusters, seed + run), range(runs))))


def random_partitions(families: int, dimensions: int, clusters: int, runs: int, seed: int) -> Integers:
    """Partitions of Gaussian vectors, drawn anew for each run [runs, families]."""

    def drawn(own: int) -> Integers:
        vectors = np.random.default_rng(own).normal(size=(families, dimensions)).astype(np.float32)
        return _partition(normalize(vectors), clusters, own)

    with threads() as pool:
        return np.stack(list(pool.map(drawn, range(seed, seed + runs))))


def _partition(unit: Floats, clusters: int, seed: int) -> Integers:
    """Cluster of each unit vector, [families]."""
    model = KMeans(clusters, n_init=1, max_iter=100, random_state=seed)
    return np.asarray(model.fit_predict(unit), dtype=np.int64)


def scores(truth: Integers, found: Integers) -> Doubles:
    """`METRICS` [runs, 3] of partitions [runs, families] against gold labels [families], both numbered from 0.

    Equal to scikit-learn's to 1e-9. One contingency table serves all three metrics: scikit-learn's functions build one
    each, which takes 5 ms instead of 0.6 for a partition of 400 families, and a landscape has thousands of partitions.
    """
    groups, clusters = truth.max() + 1, found.max() + 1
    counts = (np.bincount(run, minlength=groups * clusters) for run in truth * clusters + found)
    return np.array([_agreement(each.reshape(groups, clusters)) for each in counts])


def _agreement(table: Integers) -> tuple[float, float, float]:
    """V-measure, AMI and ARI of a contingency table [gold labels, clusters]."""
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    n, rows, columns = int(table.sum()), table.sum(axis=1), table.sum(axis=0)
    if np.count_nonzero(table) == table.shape[0] == table.shape[1]:  # the same partition
        return 1.0, 1.0, 1.0
    if 1 in table.shape:  # one group on one side only
        return 0.0, 0.0, 0.0
    entropies = float(entr(rows / n).sum()), float(entr(columns / n).sum())
    shared = sum(entropies) - float(entr(table / n).sum())
    expected = expected_information(rows, columns)
    mean = sum(entropies) / 2
    pairs, of_rows, of_columns = (float(comb(counts, 2).sum()) for counts in (table, rows, columns))
    chance = of_rows * of_columns / comb(n, 2)
    rand = (pairs - chance) / ((of_rows + of_columns) / 2 - chance)
    return shared / mean, (shared - expected) / (mean - expected), rand


def expected_information(rows: Integers, columns: Integers) -> float:
    """Expected mutual information, in nats, of random partitions of these sizes (Vinh, Epps and Bailey 2010, eq. 24).

    The overlap of two groups of a and b families is hypergeometric, and its tails are no heavier than those of a
    binomial of a or b draws (Hoeffding 1963, theorem 4). Overlaps are left out where Bernstein's inequality bounds
    their probability by exp(-`_TAIL`). scikit-learn sums all of them, which is ten times as many terms.
    """
    n = int(rows.sum())
    (first, times), (second, often) = (np.unique(sizes, return_counts=True) for sizes in (rows, columns))
    a, b, alike = (each.ravel() for each in (*np.meshgrid(first, second, indexing="ij"), np.outer(times, often)))
    mean, log = a * b / n, _log_factorials(n)
    reach = _TAIL / 3 + np.sqrt((_TAIL / 3) ** 2 + 2 * _TAIL * mean * (1 - np.maximum(a, b) / n))
    least = np.maximum(np.maximum(1, a + b - n), np.floor(mean - reach).astype(np.int64))
    counts = np.minimum(np.minimum(a, b), np.ceil(mean + reach).astype(np.int64)) - least + 1
    pair = np.repeat(np.arange(len(a)), counts)
    common = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts) + least[pair]
    ways = (log[a] + log[b] + log[n - a] + log[n - b] - log[n])[pair] - log[common]
    ways -= log[a[pair] - common] + log[b[pair] - common] + log[(n - a - b)[pair] + common]
    return float((alike[pair] * np.exp(ways) * common / n * np.log(common / mean[pair])).sum())


@cache
def _log_factorials(n: int) -> Doubles:
    return np.asarray(gammaln(np.arange(1.0, n + 2)))


def intervals(truth: Integers, found: Integers, seed: int) -> tuple[Doubles, Doubles]:
    """95 % interval of the mean score over runs, lower and upper bound [3]; NaN with too few families.

    The variance over families is the delete-d jackknife's (Shao and Wu 1989): that of subsamples without replacement,
    shared by the runs, times kept / dropped. The variance over runs is added. The interval is around the score of all
    families, since the scores of subsamples are biased, and within the bounds of the metric (`score_interval`).
    """
    n = len(truth)
    if n < max(FEWEST_OF[metric] for metric in METRICS):
        return np.full(3, np.nan), np.full(3, np.nan)
    kept = round(SHARE * n)
    generator = np.random.default_rng(seed)
    samples = [generator.choice(n, kept, replace=False) for _ in range(SUBSAMPLES)]
    with threads() as pool:
        subsampled = np.array(list(pool.map(lambda one: scores(truth[one], found[:, one]).mean(axis=0), samples)))
    each = scores(truth, found)
    variance = subsampled.var(axis=0, ddof=1) * kept / (n - kept)
    if len(found) > 1:
        variance = variance + each.var(axis=0, ddof=1) / len(found)
    value = each.mean(axis=0)
    return score_interval(value, variance * n, n, np.minimum([0.0, -1.0, -1.0], value))
