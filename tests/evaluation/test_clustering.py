"""Clustering against scikit-learn's measures, planted clusters, chance, and simulated coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, v_measure_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information
from sklearn.preprocessing import normalize

from patent_embeddings.evaluation import clustering
from patent_embeddings.evaluation.statistics import Result


def planted(spread: float, n: int = 300, k: int = 6) -> tuple[np.ndarray, pd.Series, pd.DataFrame]:
    """Families around k directions; half of them test. Secondary labels are noise."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, k, n)
    vectors = rng.normal(size=(k, 32))[label] + spread * rng.normal(size=(n, 32))
    vectors *= rng.uniform(0.1, 10, (n, 1))  # length means nothing
    ids = pd.Series([f"F{i:03d}" for i in range(n)])
    labels = [[f"L{a}", f"L{b}"] for a, b in zip(label, rng.integers(0, k, n), strict=True)]
    split = ["test", "train"] * (n // 2)
    return vectors.astype(np.float32), ids, pd.DataFrame({"family_id": ids, "labels": labels, "split": split})


def runs(result: Result) -> np.ndarray:
    """Metrics of each run [runs, 3]."""
    assert result.units == [f"seed-{run}" for run in range(len(result.units))]
    return np.column_stack([result.outcomes[metric] for metric in clustering.METRICS])


@pytest.mark.parametrize(("groups", "clusters", "n"), [(12, 12, 120), (3, 5, 10), (1, 4, 9), (9, 1, 9), (1, 1, 5)])
def test_scores_are_scikit_learns(groups: int, clusters: int, n: int) -> None:
    rng = np.random.default_rng(groups)
    truth, found = rng.integers(0, groups, n), rng.integers(0, clusters, (3, n))
    found[2] = truth
    theirs = [[measure(truth, run) for measure in (v_measure_score, adjusted_mutual_info_score, adjusted_rand_score)]
              for run in found]  # fmt: skip
    np.testing.assert_allclose(clustering.scores(truth, found), theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n", "groups"), [(30, 30), (40, 2), (2000, 7), (18_000, 60)])
def test_expected_information_is_scikit_learns(n: int, groups: int) -> None:
    """Groups of one family up to nearly all of them."""
    rng = np.random.default_rng(n)
    truth, found = (groups * rng.random((2, n)) ** [[1], [4]]).astype(int)
    table = csr_matrix(contingency_matrix(truth, found))
    ours = clustering.expected_information(np.asarray(table.sum(axis=1)).ravel(), np.asarray(table.sum(axis=0)).ravel())
    assert ours == pytest.approx(expected_mutual_information(table, n), rel=1e-10, abs=1e-13)


def test_label_sets_of_the_same_families_share_their_partitions() -> None:
    vectors, ids, labels = planted(1.0)
    other = labels.assign(labels=[[*reversed(names)] for names in labels["labels"]])
    known: clustering.Known = {}
    for part in (labels, other, labels[20:]):
        shared = clustering.cluster(vectors, ids, part, 2, 0, known)
        alone = clustering.cluster(vectors, ids, part, 2, 0)
        for system in ("kmeans", "random"):
            np.testing.assert_array_equal(runs(shared[system]), runs(alone[system]))
    assert len(known) == 2


def test_families_that_share_nothing() -> None:
    alone = np.arange(7)
    np.testing.assert_array_equal(clustering.scores(alone, alone[None, ::-1]), [[1.0, 1.0, 1.0]])


def test_planted_clusters_are_recovered_and_random_vectors_are_at_chance() -> None:
    vectors, ids, labels = planted(0.2)
    results = clustering.cluster(vectors, ids, labels, 5, 0)
    v_measure, ami, ari = runs(results["kmeans"]).mean(axis=0)
    assert min(v_measure, ami, ari) > 0.8
    floor = runs(results["random"]).mean(axis=0)
    assert floor[0] > 0.02  # V-measure is not corrected for chance: its floor is not 0
    assert abs(floor[1]) < 0.03
    assert abs(floor[2]) < 0.03
    assert results["kmeans"].n == 150
    assert runs(results["kmeans"]).shape == (5, 3)


def test_the_random_floor_is_what_permuted_labels_give() -> None:
    labels = planted(0.2)[2]
    test = labels[labels["split"] == "test"]
    truth = np.unique(test["labels"].str[0], return_inverse=True)[1]
    found = clustering.random_partitions(len(truth), 32, 6, 10, 0)
    rng = np.random.default_rng(3)
    permuted = np.array([clustering.scores(rng.permutation(truth), found).mean(axis=0) for _ in range(200)])
    floor = clustering.scores(truth, found).mean(axis=0)
    low, high = np.quantile(permuted, [0.001, 0.999], axis=0)
    assert ((low <= floor) & (floor <= high)).all()
    assert abs(permuted.mean(axis=0)[1:]).max() < 0.005


def test_gold_is_the_first_label_and_only_test_families_count() -> None:
    vectors, ids, labels = planted(0.2)
    same = clustering.cluster(vectors, ids, labels.assign(labels=[names[:1] for names in labels["labels"]]), 2, 0)
    whole = clustering.cluster(vectors, ids, labels, 2, 0)
    np.testing.assert_array_equal(runs(same["kmeans"]), runs(whole["kmeans"]))
    train = labels["split"] == "train"
    moved = np.where(train.to_numpy()[:, None], 0, vectors).astype(np.float32)
    np.testing.assert_array_equal(runs(clustering.cluster(moved, ids, labels, 2, 0)["kmeans"]), runs(whole["kmeans"]))


def test_seeds_give_the_same_again_and_differ_from_one_another() -> None:
    vectors, ids, labels = planted(1.5)
    first, second, other = (clustering.cluster(vectors, ids, labels, 3, seed)["kmeans"] for seed in (0, 0, 7))
    np.testing.assert_array_equal(runs(first), runs(second))
    np.testing.assert_array_equal(first.scores["AMI"], second.scores["AMI"])
    assert (runs(first)[0] != runs(first)[1]).any()
    assert (runs(first) != runs(other)).any()


def test_too_little_to_cluster() -> None:
    vectors, ids, labels = planted(0.2)
    assert clustering.cluster(vectors, ids, labels.assign(labels=[["one"]] * len(labels)), 2, 0) == {}
    assert clustering.cluster(vectors, ids, labels.assign(labels=[[name] for name in ids]), 2, 0) == {}
    assert clustering.cluster(vectors, ids, labels[:0], 2, 0) == {}


def drawn(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Gold labels of unequal size and two runs that are right about half of the families, mostly the same half."""
    share = 1 / np.arange(1, 11)
    truth, wrong = rng.choice(10, n, p=share / share.sum()), rng.integers(0, 10, n)
    right = rng.random(n) < 0.6
    runs = [np.where(rng.random(n) < 0.1, rng.integers(0, 10, n), np.where(right, truth, wrong)) for _ in range(2)]
    return truth, np.array(runs)


def test_intervals_are_as_wide_as_new_families_move_the_score() -> None:
    rng = np.random.default_rng(1)
    truths = [drawn(rng, 120) for _ in range(150)]
    low, high = (np.array(bound) for bound in zip(*(clustering.intervals(*each, 0) for each in truths), strict=True))
    found = np.array([clustering.scores(*each).mean(axis=0) for each in truths])
    # 150 studies tell a variance to 12 %, a coverage of 95 % to 1.8 %: three of these are allowed.
    ratio = ((high - low) / 2 / 1.96) ** 2 / found.var(axis=0, ddof=1)
    assert (np.abs(ratio.mean(axis=0) - 1) < 0.36).all()
    expected = np.mean([clustering.scores(*drawn(rng, 120)).mean(axis=0) for _ in range(500)], axis=0)
    covered = ((low <= expected) & (expected <= high)).mean(axis=0)
    assert (np.abs(covered - 0.95) < 0.055).all()


def test_intervals_keep_to_what_a_score_can_be() -> None:
    rng = np.random.default_rng(4)
    for n in (10, 13, 30):
        truth = rng.permutation(np.arange(n) % 3)
        same, other = truth, rng.integers(0, 3, n)
        one_off = np.where(np.arange(n) == 0, (truth + 1) % 3, truth)
        for found in ([same], [one_off], [same, other], [other]):
            value = clustering.scores(truth, np.array(found)).mean(axis=0)
            low, high = clustering.intervals(truth, np.array(found), 0)
            assert ((low <= value) & (value <= high) & (high <= 1) & (low < high)).all()
            assert low[0] >= 0
    assert np.isnan(clustering.intervals(np.arange(9) % 3, np.arange(9)[None] % 2, 0)).all()


def test_partitions_are_scikit_learns() -> None:
    vectors = planted(1.0)[0]
    found = clustering.partitions(vectors, 6, 4, 3)
    theirs = [
        KMeans(6, n_init=1, max_iter=100, random_state=seed).fit_predict(normalize(vectors)) for seed in range(3, 7)
    ]
    np.testing.assert_array_equal(found, theirs)
