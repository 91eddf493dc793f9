"""Multi-label classification against scikit-learn and against planted labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.metrics import f1_score, label_ranking_average_precision_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from patent_embeddings.evaluation import classification, statistics


def planted(seed: int, n: int = 240, noise: float = 1.0) -> tuple[np.ndarray, pd.Series, pd.DataFrame]:
    """Vectors that are the sum of their labels' prototypes and noise; label `rare` has no train family."""
    rng = np.random.default_rng(seed)
    names = np.array([f"L{i}" for i in range(6)])
    gold = rng.random((n, 6)) < [0.5, 0.3, 0.25, 0.2, 0.15, 0.1]
    gold[~gold.any(axis=1), 0] = True
    vectors = gold @ rng.normal(size=(6, 16)) + noise * rng.normal(size=(n, 16))
    split = np.array(["train"] * (n * 7 // 10) + ["dev"] * (n // 10) + ["test"] * (n - n * 7 // 10 - n // 10))
    labels = [list(names[row]) for row in gold]
    for place in (n - 1, n - 5):
        labels[place].append("rare")
    ids = pd.Series([f"F{i:03d}" for i in range(n)])
    frame = pd.DataFrame({"family_id": ids, "label_set": "own", "labels": labels, "split": split})
    return vectors.astype(np.float32), ids, frame


def classify(vectors: np.ndarray, ids: pd.Series, labels: pd.DataFrame) -> dict[str, statistics.Result]:
    """What is found under the one label set."""
    [(name, found)] = classification.classify(vectors, ids, labels)
    assert name == "own"
    return found


@pytest.mark.parametrize("ties", [False, True])
def test_ranking_precision_is_scikit_learns(ties: bool) -> None:
    rng = np.random.default_rng(2)
    gold = rng.random((80, 9)) < 0.3
    gold[~gold.any(axis=1), 3] = True
    scores = rng.normal(size=gold.shape).astype(np.float32)
    if ties:
        scores = np.round(scores)
    each = classification.ranking_precision(scores, gold)
    assert each.mean() == pytest.approx(label_ranking_average_precision_score(gold, scores), abs=1e-12)
    first = label_ranking_average_precision_score(gold[:1], scores[:1])
    assert each[0] == pytest.approx(first, abs=1e-12)


@pytest.mark.parametrize("decimals", [1, 8])
def test_threshold_is_the_best_of_all(decimals: int) -> None:
    rng = np.random.default_rng(3)
    gold = rng.random((40, 5)) < 0.3
    scores = np.round(gold * 0.4 + rng.random((40, 5)), decimals).astype(np.float32)
    candidates = np.append(np.unique(scores), scores.max() + 1)
    best = max(f1_score(gold, scores >= value, average="micro", zero_division=0) for value in candidates)
    chosen = scores >= classification.threshold(scores, gold)
    assert f1_score(gold, chosen, average="micro") == pytest.approx(best, abs=1e-12)


def test_scores_are_scikit_learns_and_follow_from_the_outcomes() -> None:
    vectors, ids, labels = planted(4)
    results = classify(vectors, ids, labels)
    test = labels["split"] == "test"
    gold = classification.indicator(labels["labels"])
    train_gold = gold[(labels["split"] == "train").to_numpy()]
    neighbours = KNeighborsClassifier(n_neighbors=10, metric="cosine").fit(
        normalize(vectors)[labels["split"] == "train"], train_gold
    )
    nearest = neighbours.kneighbors(vectors[test], return_distance=True)
    weight = 1 - nearest[0]
    shares = (weight[:, :, None] * train_gold[nearest[1]]).sum(axis=1) / weight.sum(axis=1, keepdims=True)
    shares[:, ~train_gold.any(axis=0)] = -1.0
    lrap = label_ranking_average_precision_score(gold[test], shares)
    assert results["knn"].scores["LRAP"][0] == pytest.approx(lrap, abs=1e-5)
    for result in results.values():
        tp, fp, fn = (result.outcomes[name].sum() for name in ("tp", "fp", "fn"))
        assert result.scores["micro-F1"][0] == pytest.approx(2 * tp / (2 * tp + fp + fn))
        assert result.scores["LRAP"][0] == pytest.approx(result.outcomes["LRAP"].mean())
        assert tp + fn == gold[test].sum()
        assert list(result.units) == list(labels.loc[test, "family_id"])
        for value, low, high in result.scores.values():
            assert low < value < high


def test_macro_counts_a_label_without_train_families_as_zero() -> None:
    vectors, ids, labels = planted(5, noise=0.01)
    result = classify(vectors, ids, labels)["probe"]
    assert result.scores["macro-F1"][0] == pytest.approx(6 / 7, abs=0.02)
    assert result.outcomes["fn"].sum() >= 2


def test_planted_labels_are_found_and_shuffled_vectors_fall_to_the_prior() -> None:
    vectors, ids, labels = planted(6, n=600)
    planted_scores = classify(vectors, ids, labels)
    shuffled = classify(np.random.default_rng(0).permutation(vectors), ids, labels)
    prior = planted_scores["prior"].scores
    for system in ("probe", "knn"):
        for metric in ("micro-F1", "LRAP"):
            assert planted_scores[system].scores[metric][1] > prior[metric][2]
            assert shuffled[system].scores[metric][0] < prior[metric][0] + 0.05
    np.testing.assert_array_equal(prior["LRAP"], shuffled["prior"].scores["LRAP"])


def test_test_labels_and_vectors_do_not_move_what_is_fitted() -> None:
    vectors, ids, labels = planted(7)
    one = classify(vectors, ids, labels)["probe"]
    test = np.flatnonzero(labels["split"] == "test")
    dropped = np.delete(np.arange(len(ids)), test[:10])
    other = classify(
        vectors[dropped], ids.iloc[dropped].reset_index(drop=True), labels.iloc[dropped].reset_index(drop=True)
    )["probe"]
    np.testing.assert_allclose(one.outcomes["LRAP"][10:], other.outcomes["LRAP"], atol=1e-9)
    np.testing.assert_array_equal(one.outcomes["tp"][10:], other.outcomes["tp"])


def test_micro_interval_agrees_with_resampled_scikit_learn() -> None:
    vectors, ids, labels = planted(8, n=400)
    result = classify(vectors, ids, labels)["probe"]
    rng = np.random.default_rng(1)
    counts = np.column_stack([result.outcomes[name] for name in ("tp", "fp", "fn")])
    sums = counts[rng.integers(0, len(counts), (4000, len(counts)))].sum(axis=1)
    f1 = 2 * sums[:, 0] / (2 * sums[:, 0] + sums[:, 1] + sums[:, 2])
    low, high = np.quantile(f1, [0.025, 0.975])
    assert result.scores["micro-F1"][1] == pytest.approx(low, abs=0.01)
    assert result.scores["micro-F1"][2] == pytest.approx(high, abs=0.01)


def rare(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and gold labels of n families: sixty labels of falling frequency, each guessed well or badly."""
    share, skill = 0.6 / np.arange(1, 61), np.random.default_rng(1).uniform(0.05, 0.9, 60)
    gold = rng.random((n, 60)) < share
    gold[~gold.any(axis=1), 0] = True
    return np.where(rng.random((n, 60)) < skill, gold, rng.random((n, 60)) < share / 2), gold


def test_macro_f1_and_its_jackknife_are_scikit_learns() -> None:
    predicted, gold = rare(np.random.default_rng(0), 40)

    def macro(kept: np.ndarray) -> float:
        here = gold[kept].any(axis=0)
        return float(f1_score(gold[kept][:, here], predicted[kept][:, here], average="macro", zero_division=0))

    left_out = np.array([macro(np.delete(np.arange(40), family)) for family in range(40)])
    squares = (left_out - left_out.mean()) ** 2
    carriers = squares.sum() ** 2 / (squares**2).sum()
    wider = scipy.stats.t.ppf(0.975, 2 * carriers / (1 - carriers / 40)) / scipy.stats.norm.ppf(0.975)
    value, variance = classification.macro_f1(predicted, gold)
    assert value == pytest.approx(macro(np.arange(40)))
    assert variance == pytest.approx(39 * squares.sum() * wider**2)


@pytest.mark.parametrize("n", [6, 9, 14, 24, 35])
def test_macro_intervals_hold_their_score_and_cover(n: int) -> None:
    rng = np.random.default_rng(n)
    found = [classification.macro_f1(*rare(rng, n)) for _ in range(400)]
    value, variance = np.array(found).T
    low, high = statistics.score_interval(value, variance, n)
    assert ((low <= value) & (value <= high)).all()
    assert 0.93 <= ((low <= value.mean()) & (value.mean() <= high)).mean() <= 0.98


def test_fewer_test_families_than_an_interval_takes() -> None:
    vectors, ids, labels = planted(11)
    few = labels[(labels["split"] != "test") | (labels["split"] == "test").cumsum().le(5)]
    for result in classify(vectors, ids, few).values():
        for value, low, high in result.scores.values():
            assert np.isfinite(value)
            assert np.isnan([low, high]).all()


def test_families_without_vectors_or_split_parts() -> None:
    vectors, ids, labels = planted(9)
    extra = pd.concat([labels, labels[:1].assign(family_id="elsewhere")], ignore_index=True)
    assert len(classify(vectors, ids, extra)["knn"].units) == 48
    assert classify(vectors, ids, labels[labels["split"] != "dev"]) == {}


def test_a_label_that_every_train_family_has() -> None:
    vectors, ids, labels = planted(10)
    labels["labels"] = [[*names, "everyone"] for names in labels["labels"]]
    results = classify(vectors, ids, labels)
    assert all(np.isfinite(result.scores["micro-F1"]).all() for result in results.values())
    assert results["probe"].scores["micro-F1"][0] > 0.7


def test_what_test_families_have_decides_nothing_that_is_predicted_of_them() -> None:
    """Predicted labels of a family are its right and its wrong ones: as many, whatever the families of test have."""
    vectors, ids, labels = planted(6)
    others = labels.copy()
    tests = np.flatnonzero(labels["split"] == "test")
    others["labels"] = others["labels"].astype(object)
    for place, row in enumerate(tests):
        # One label each instead of its own: a threshold that looked at them would predict fewer. None is new.
        others.at[row, "labels"] = [f"L{place % 6}"] + (["rare"] if "rare" in labels.at[row, "labels"] else [])
    found, again = (classify(vectors, ids, one) for one in (labels, others))
    for system in ("probe", "knn", "prior"):
        predicted, same = (one[system].outcomes["tp"] + one[system].outcomes["fp"] for one in (found, again))
        np.testing.assert_array_equal(predicted, same)
    dev = others.copy()
    for row in np.flatnonzero(labels["split"] == "dev"):
        dev.at[row, "labels"] = [f"L{row % 6}"]
    before, after = (one["probe"].outcomes for one in (again, classify(vectors, ids, dev)))
    assert (after["tp"] + after["fp"]).sum() != (before["tp"] + before["fp"]).sum()


def test_neighbours_are_those_of_all_pairs() -> None:
    rng = np.random.default_rng(12)
    vectors = rng.normal(size=(90, 8)).astype(np.float32)
    unit = normalize(vectors.astype(float))
    cosines = unit[60:] @ unit[:60].T
    order = np.argsort(-cosines, axis=1)[:, :10]
    found, places = classification.neighbours(vectors[:60], vectors[60:])
    np.testing.assert_array_equal(places, order)
    np.testing.assert_allclose(found, np.take_along_axis(cosines, order, axis=1), rtol=0, atol=1e-6)
    assert classification.neighbours(vectors[:4], vectors[60:])[1].shape == (30, 4)


def test_a_label_set_scores_among_others_as_it_does_alone() -> None:
    """Of the same families, of fewer, and of none in dev; names of labels are those of other sets too."""
    vectors, ids, labels = planted(13)
    other = [[name for name in names if name in ("L0", "L3")] or ["L9"] for names in labels["labels"]]
    sets = {
        "own": labels,
        "few": labels.assign(labels=other),
        "less": labels[7:],
        "none": labels[labels["split"] != "dev"],
    }
    together = pd.concat([part.assign(label_set=name) for name, part in sets.items()])
    found = dict(classification.classify(vectors, ids, together))
    assert set(found) == set(sets) and found["none"] == {}
    for name in ("own", "few", "less"):
        alone = classify(vectors, ids, sets[name])
        for system in ("probe", "knn", "prior"):
            assert found[name][system].scores == alone[system].scores
            np.testing.assert_array_equal(found[name][system].outcomes["tp"], alone[system].outcomes["tp"])


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_equal_neighbours_go_by_place_whatever_the_threads(threads: int) -> None:
    """Most have more twins than neighbours count, and some have no direction."""
    rng = np.random.default_rng(6)
    vectors = rng.normal(size=(3000, 40)).astype(np.float32)
    vectors[500:2000] = vectors[rng.integers(0, 30, 1500)]
    vectors[::97] = 0
    train, others = np.arange(0, 3000, 2), np.arange(1, 3000, 2)
    with threadpool_limits(threads):
        cosines, found = classification.neighbours(vectors[train], vectors[others])
    unit = normalize(vectors.astype(float))
    exact = (unit[others] @ unit[train].T).round(6)  # twins are equal, and no others
    np.testing.assert_array_equal(found, np.argsort(-exact, axis=1, kind="stable")[:, :10])
    np.testing.assert_allclose(cosines, np.take_along_axis(exact, found, 1), rtol=0, atol=2e-6)
