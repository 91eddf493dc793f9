"""Multi-label classification of families from their vectors: a logistic probe, kNN, and the label prior as floor.

Everything is fitted on train; regularisation and the decision threshold (one for all labels, the
one of the highest micro-F1) are chosen on dev; test is only scored. A label without a train family
is ranked last and never predicted, but counts where a test family has it. Macro-F1 is the mean over
the labels that a test family has. Families without a label of the set are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.special import stdtrit
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import MultiLabelBinarizer, StandardScaler, normalize

from patent_embeddings.core.arrays import Booleans, Doubles, Floats
from patent_embeddings.core.ids import places
from patent_embeddings.evaluation import statistics
from patent_embeddings.evaluation.statistics import LEVEL, Z

INVERSE_PENALTIES = (0.003, 0.01, 0.03, 0.1)  # scikit-learn's C, on standardised features
NEIGHBOURS = 10
_ROWS = 1 << 13  # rows of a block: bounds memory, not the result


@dataclass(frozen=True)
class Result:
    """What one classifier did on the test families."""

    family_id: npt.NDArray[Any]  # the test families [n]
    # Per family [n]: `LRAP`, and `tp`, `fp`, `fn`, its right, wrong and missed labels, whose sums over any set of
    # families give its micro-F1, 2 tp / (2 tp + fp + fn).
    outcomes: dict[str, Doubles]
    # Of `micro-F1`, `macro-F1`, `LRAP`: value, lower and upper bound, NaN where there is no interval.
    scores: dict[str, tuple[float, float, float]]


def classify(vectors: Floats, families: list[str], labels: pd.DataFrame) -> dict[str, Result]:
    """Classify under one label set.

    `vectors` are float32 [families, dimensions], maybe a memory map; `labels` rows of `LABELS` of one label set.
    Returns a result for each of `probe`, `knn`, `prior`; none where train, dev or test has no labelled family.
    """
    labels = labels[labels["family_id"].isin(families)]
    row = places(labels["family_id"], families)
    gold = indicator(labels["labels"])
    train, dev, test = (np.flatnonzero(labels["split"] == split) for split in ("train", "dev", "test"))
    if not (len(train) and len(dev) and len(test)):
        return {}
    parts = [np.asarray(vectors[row[part]], dtype=np.float32) for part in (train, dev, test)]
    seen = np.asarray(gold[train].any(axis=0))
    results = {}
    for system, classifier in CLASSIFIERS.items():
        scored = classifier(*parts, gold[train][:, seen], gold[dev], seen)
        on_dev, on_test = (_widened(scores, seen) for scores in scored)
        predicted = on_test >= threshold(on_dev, gold[dev])
        results[system] = _result(labels["family_id"].to_numpy()[test], on_test, predicted, gold[test])
    return results


def indicator(labels: pd.Series) -> Booleans:
    """Families by labels: who has which, labels in alphabetical order."""
    return MultiLabelBinarizer(sparse_output=True).fit_transform(labels).astype(bool).toarray()


def threshold(scores: Floats, gold: Booleans) -> float:
    """The threshold on scores [families, labels] that gives the highest micro-F1; the highest such one."""
    finite = np.isfinite(scores)
    order = np.argsort(-scores[finite], kind="stable")
    value = scores[finite][order].astype(np.float64)
    hits = np.cumsum(gold[finite][order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + gold.sum())
    following = np.append(value[1:], value[-1] - 2.0)
    f1[value == following] = -1.0  # equal scores are predicted together
    best = int(np.argmax(f1))
    return float((value[best] + following[best]) / 2)


def ranking_precision(scores: Floats, gold: Booleans) -> Doubles:
    """Label ranking average precision of each family (scikit-learn's, before its mean); every row has a label."""
    family, label = np.nonzero(gold)
    precision = np.empty(len(family))
    for start in range(0, len(family), _ROWS):
        rows, columns = family[start : start + _ROWS], label[start : start + _ROWS]
        above = scores[rows] >= scores[rows, columns][:, None]
        precision[start : start + _ROWS] = (above & gold[rows]).sum(axis=1) / above.sum(axis=1)
    return np.asarray(np.bincount(family, weights=precision, minlength=len(gold)) / gold.sum(axis=1))


def fit_logistic(features: Floats, gold: Booleans, inverse_penalties: tuple[float, ...]) -> list[Doubles]:
    """One-versus-rest logistic regressions, L2-penalised, intercept free: scikit-learn's, to 0.001 of its logits.

    `features` are [families, dimensions], standardised, `gold` [families, labels]; the values of C ascend, and each
    starts from the solution of the one before. Returns for each the weights [dimensions + 1, labels], the intercepts
    last.
    """
    n, labels = gold.shape
    wide = features.astype(np.float64)  # float32 ends 0.002 off, and is no faster
    weights = np.zeros((len(inverse_penalties), features.shape[1] + 1, labels))
    for label, target in enumerate(gold.T):
        if target.all():  # nothing to tell apart
            weights[:, -1, label] = np.log(2 * n + 1)
            continue
        model = LogisticRegression(tol=1e-8, max_iter=10_000, warm_start=True)
        for place, inverse in enumerate(inverse_penalties):
            model.set_params(C=inverse).fit(wide, target)
            weights[place, :, label] = *model.coef_[0], *model.intercept_
    return list(weights)


def _probe(
    train: Floats, dev: Floats, test: Floats, gold: Booleans, dev_gold: Booleans, seen: Booleans
) -> tuple[Floats, Floats]:
    """Logits under the C of the highest LRAP on dev."""
    scaler = StandardScaler().fit(train)
    train, dev, test = (scaler.transform(part) for part in (train, dev, test))
    on_dev, weights = max(
        ((_logits(dev, weights), weights) for weights in fit_logistic(train, gold, INVERSE_PENALTIES)),
        key=lambda pair: float(ranking_precision(_widened(pair[0], seen), dev_gold).mean()),
    )
    return on_dev, _logits(test, weights)


def _logits(features: Floats, weights: Doubles) -> Floats:
    return np.asarray(features @ weights[:-1] + weights[-1], dtype=np.float32)


def _knn(train: Floats, dev: Floats, test: Floats, gold: Booleans, *_: Any) -> tuple[Floats, Floats]:
    """Share of the nearest train families by cosine that have a label, each weighed by its cosine."""
    k = min(NEIGHBOURS, len(train))
    # On the unit sphere the squared distance is 2 - 2 cosine: the same order.
    nearest = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(normalize(train))

    def scores(part: Floats) -> Floats:
        distance, neighbour = nearest.kneighbors(normalize(part))
        cosine = np.maximum(1 - distance.astype(np.float64) ** 2 / 2, 1e-6)
        share = cosine / cosine.sum(axis=1, keepdims=True)
        votes = csr_matrix((share.ravel(), neighbour.ravel(), np.arange(len(part) + 1) * k), (len(part), len(train)))
        return np.asarray(votes @ gold.astype(np.float64), dtype=np.float32)

    return scores(dev), scores(test)


def _prior(train: Floats, dev: Floats, test: Floats, gold: Booleans, *_: Any) -> tuple[Floats, Floats]:
    """Share of the train families that have a label, whatever the vector."""
    share = gold.mean(axis=0, dtype=np.float64).astype(np.float32)
    return np.tile(share, (len(dev), 1)), np.tile(share, (len(test), 1))


CLASSIFIERS: dict[str, Callable[..., tuple[Floats, Floats]]] = {"probe": _probe, "knn": _knn, "prior": _prior}


def _widened(scores: Floats, seen: Booleans) -> Floats:
    """Scores of all labels: those that no train family has come last."""
    wide = np.full((len(scores), len(seen)), -np.inf, dtype=np.float32)
    wide[:, seen] = scores
    return wide


def _result(family_id: Any, scores: Floats, predicted: Booleans, gold: Booleans) -> Result:
    """Outcomes of the test families, scores, and their intervals."""
    outcomes = {
        "LRAP": ranking_precision(scores, gold),
        "tp": (predicted & gold).sum(axis=1, dtype=np.float64),
        "fp": (predicted & ~gold).sum(axis=1, dtype=np.float64),
        "fn": (~predicted & gold).sum(axis=1, dtype=np.float64),
    }
    hits, parts = 2 * outcomes["tp"], 2 * outcomes["tp"] + outcomes["fp"] + outcomes["fn"]
    macro, variance = macro_f1(predicted, gold)
    bounds = {
        "micro-F1": (hits.sum() / parts.sum(), *statistics.ratio_interval(hits, parts)),
        "macro-F1": (macro, *statistics.score_interval(macro, variance, len(gold))),
        "LRAP": (outcomes["LRAP"].mean(), *statistics.mean_interval(outcomes["LRAP"])),
    }
    found = {name: (float(value), float(low), float(high)) for name, (value, low, high) in bounds.items()}
    return Result(family_id, outcomes, found)


def macro_f1(predicted: Booleans, gold: Booleans) -> tuple[float, float]:
    """Macro-F1 over the labels that a family has, and the variance of one family's part in it.

    The variance is the jackknife's: each family left out in turn, and with it the labels that it alone has. The
    bootstrap lacks a third of the rare labels in each resample, so that its interval misses the very score. Few
    families carry most of the variance, so it is widened as Student's t of as many degrees of freedom (Satterthwaite).
    """
    here = gold.any(axis=0)
    predicted, gold = predicted[:, here], gold[:, here]
    found, parts, families = (predicted & gold).sum(axis=0), predicted.sum(axis=0) + gold.sum(axis=0), gold.sum(axis=0)
    f1 = 2 * found / parts
    # Without one family: the F1 of its own labels changes, and a label that it alone has is gone.
    own = csr_matrix(predicted.astype(np.int8) + gold)
    row, label = own.nonzero()
    hit, has = (predicted & gold)[row, label], gold[row, label]
    gone = has & (families[label] == 1)
    without = np.where(gone, 0.0, 2 * (found[label] - hit) / np.maximum(parts[label] - predicted[row, label] - has, 1))
    n = len(gold)
    totals = f1.sum() + np.bincount(row, without - f1[label], minlength=n)
    left = len(f1) - np.bincount(row, gone, minlength=n)
    jackknifed = np.divide(totals, left, out=np.full(n, f1.mean()), where=left > 0)
    squares = (jackknifed - jackknifed.mean()) ** 2
    variance = (n - 1) * squares.sum()
    if variance > 0:
        carriers = squares.sum() ** 2 / (squares**2).sum()
        freedom = 2 * carriers / max(1 - carriers / n, 2 / n)
        variance *= (stdtrit(freedom, (1 + LEVEL) / 2) / Z) ** 2
    return float(f1.mean()), float(variance)
