"""Multi-label classification of families from their vectors: a logistic probe, kNN, and the label prior as floor.

All are fitted on train. Regularisation and the decision threshold (one for all labels, of the highest micro-F1) are
tuned on dev. A label without a train family is ranked last and never predicted, but counts as missed for a test family
that has it. Macro-F1 is the mean over the labels of the test families. Families without a label are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import faiss
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.special import stdtrit
from sklearn.preprocessing import MultiLabelBinarizer, StandardScaler, normalize

from patent_embeddings.core.arrays import Booleans, Doubles, Floats, Integers
from patent_embeddings.core.ids import places
from patent_embeddings.core.tables import SPLITS
from patent_embeddings.evaluation import logistic, statistics
from patent_embeddings.evaluation.statistics import LEVEL, Result, Z

INVERSE_PENALTIES = (0.003, 0.01, 0.03, 0.1)  # scikit-learn's C, on standardised features
NEIGHBOURS = 10
_ROWS = 1 << 13  # rows of a block, which bounds memory
_PAIRS = 1 << 10  # families whose neighbours are gathered at once
_SCORES = 1 << 22  # cosines held at once
_ROUNDED = 4e-6  # more than two float32 products of unit vectors can differ by rounding


Near = tuple[Doubles, Integers]
Golds = list[tuple[Booleans, Booleans]]


def neighbours(train: Floats, others: Floats) -> Near:
    """Cosines and positions of the nearest train families of other families; ties are broken by position.

    Both are float32 [families, dimensions]. Returns float64 and int64 [others, `NEIGHBOURS`], or as many as there are
    train families. faiss only preselects: its products round differently with the number of threads, so that each
    cosine is computed again by itself. Where the last neighbour and the next are equal but for rounding, all families
    that are as near are computed again.
    """
    known, unknown, k = normalize(train), normalize(others), min(NEIGHBOURS, len(train))
    scores, found = faiss.knn(unknown, known, min(k + 1, len(known)), metric=faiss.METRIC_INNER_PRODUCT)
    found, least = found[:, :k], scores[:, k - 1] - _ROUNDED
    blocks = [slice(start, start + _PAIRS) for start in range(0, len(unknown), _PAIRS)]
    cosines = np.concatenate([_cosines(unknown[block], known[found[block]]) for block in blocks])
    tied = np.flatnonzero((scores[:, k:] >= least[:, None]).any(axis=1))
    step = max(1, _SCORES // len(known))
    for part in (tied[start : start + step] for start in range(0, len(tied), step)):
        for row, near in zip(part, unknown[part] @ known.T >= least[part, None], strict=True):
            place = np.flatnonzero(near)
            exact = _cosines(unknown[[row]], known[None, place])[0]
            best = np.argsort(-exact, kind="stable")[:k]
            cosines[row], found[row] = exact[best], place[best]
    order = np.lexsort((found, -cosines))
    return np.take_along_axis(cosines, order, axis=1), np.take_along_axis(found, order, axis=1)


def _cosines(one: Floats, others: Floats) -> Doubles:
    """Inner products [rows, k] of unit vectors [rows, dimensions] with k others each [rows, k, dimensions]."""
    found: Doubles = np.einsum("ij,ikj->ik", one, others, dtype=np.float64)
    return found


def classify(vectors: Floats, families: list[str], labels: pd.DataFrame) -> Iterator[tuple[str, dict[str, Result]]]:
    """Classify families on every label set; label sets of the same families share the work.

    `vectors` are float32 [families, dimensions], maybe a memory map; `labels` are rows of `LABELS`. Yields the name of
    each label set with the results of `probe`, `knn` and `prior`; with no results where train, dev or test has no
    labelled family.
    """
    alike: dict[bytes, dict[str, pd.DataFrame]] = {}
    for name, rows in labels.groupby("label_set", sort=True):
        rows = rows[rows["family_id"].isin(families)]
        key = places(rows["family_id"], families).tobytes() + places(rows["split"], SPLITS).tobytes()
        alike.setdefault(key, {})[str(name)] = rows
    for sets in alike.values():
        yield from _together(vectors, families, sets)


def _together(
    vectors: Floats, families: list[str], sets: dict[str, pd.DataFrame]
) -> Iterator[tuple[str, dict[str, Result]]]:
    """`classify` on label sets of the same families."""
    rows = next(iter(sets.values()))
    parts = [np.flatnonzero(rows["split"] == split) for split in ("train", "dev", "test")]
    if not all(map(len, parts)):
        yield from ((name, {}) for name in sets)
        return
    row, tested = places(rows["family_id"], families), rows["family_id"].to_numpy()[parts[2]]
    features = [np.asarray(vectors[row[part]], dtype=np.float32) for part in parts]
    near = neighbours(features[0], np.concatenate(features[1:]))
    golds = [[gold[part] for part in parts] for gold in (indicator(each["labels"]) for each in sets.values())]
    known = [(train, dev) for train, dev, _ in golds]
    scored = zip(*(classifier(features, near, known) for classifier in CLASSIFIERS.values()), strict=True)
    for name, (_, dev, test), systems in zip(sets, golds, scored, strict=True):
        results = {}
        for system, scores in zip(CLASSIFIERS, systems, strict=True):
            on_dev, on_test = scores[: len(dev)], scores[len(dev) :]
            results[system] = _result(tested, on_test, on_test >= threshold(on_dev, dev), test)
        yield name, results


def indicator(labels: pd.Series) -> Booleans:
    """Indicator matrix [families, labels], labels in alphabetical order."""
    return MultiLabelBinarizer(sparse_output=True).fit_transform(labels).astype(bool).toarray()


def threshold(scores: Floats, gold: Booleans) -> float:
    """Decision threshold on scores [families, labels] with the highest micro-F1; of several the highest."""
    finite = np.isfinite(scores)
    known = scores[finite]
    order = np.argsort(-known, kind="stable")
    value, hits = known[order].astype(np.float64), np.cumsum(gold[finite][order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + gold.sum())
    following = np.append(value[1:], value[-1] - 2.0)
    f1[value == following] = -1.0  # a threshold cannot separate equal scores
    best = int(np.argmax(f1))
    return float((value[best] + following[best]) / 2)


def ranking_precision(scores: Floats, gold: Booleans) -> Doubles:
    """Label ranking average precision of each family, as in scikit-learn; every family has a label."""
    family, label = np.nonzero(gold)
    precision = np.empty(len(family))
    for start in range(0, len(family), _ROWS):
        rows, columns = family[start : start + _ROWS], label[start : start + _ROWS]
        above = scores[rows] >= scores[rows, columns][:, None]
        precision[start : start + _ROWS] = (above & gold[rows]).sum(axis=1) / above.sum(axis=1)
    return np.asarray(np.bincount(family, weights=precision, minlength=len(gold)) / gold.sum(axis=1))


def _probe(features: list[Floats], _near: Near, golds: Golds) -> Iterator[Floats]:
    """Logits of the logistic regressions with the C of the highest LRAP on dev."""
    scaler = StandardScaler().fit(features[0])
    train, dev, test = (scaler.transform(part) for part in features)
    seen = [_seen(gold) for gold, _ in golds]
    every = np.hstack([gold[:, own] for (gold, _), own in zip(golds, seen, strict=True)])
    fitted = logistic.fit(train, every, INVERSE_PENALTIES)
    on_dev = [_logits(dev, weights) for weights in fitted]
    ends = np.cumsum([own.sum() for own in seen])
    for (_, gold), own, end in zip(golds, seen, ends, strict=True):
        columns = slice(end - own.sum(), end)
        wide = [_widened(scores[:, columns], own) for scores in on_dev]
        best = int(np.argmax([ranking_precision(scores, gold).mean() for scores in wide]))
        yield np.concatenate([wide[best], _widened(_logits(test, fitted[best][:, columns]), own)])


def _logits(features: Floats, weights: Doubles) -> Floats:
    return np.asarray(features @ weights[:-1] + weights[-1], dtype=np.float32)


def _seen(gold: Booleans) -> Booleans:
    return np.asarray(gold.any(axis=0))


def _widened(scores: Floats | Doubles, seen: Booleans) -> Floats:
    """Scores of all labels from those of the labels seen in training; the others get minus infinity."""
    wide = np.full((len(scores), len(seen)), -np.inf, dtype=np.float32)
    wide[:, seen] = scores
    return wide


def _knn(_features: list[Floats], near: Near, golds: Golds) -> Iterator[Floats]:
    """Share of the nearest train families that have a label, weighted by cosine."""
    cosine, neighbour = np.maximum(near[0], 1e-6), near[1]
    share = cosine / cosine.sum(axis=1, keepdims=True)
    ends = np.arange(len(share) + 1) * share.shape[1]
    for gold, _ in golds:
        votes = csr_matrix((share.ravel(), neighbour.ravel(), ends), (len(share), len(gold)))
        seen = _seen(gold)
        yield _widened(votes @ gold[:, seen].astype(np.float64), seen)


def _prior(features: list[Floats], _near: Near, golds: Golds) -> Iterator[Floats]:
    """Share of all train families that have a label, the same for every vector."""
    for gold, _ in golds:
        seen = _seen(gold)
        yield np.tile(_widened(gold[:, seen].mean(axis=0, keepdims=True), seen), (sum(map(len, features[1:])), 1))


# Each yields scores [dev and test families, labels] for one label set after another. Arguments: features of train, dev
# and test; neighbours of the dev and test families; indicator matrices of train and dev for each label set.
CLASSIFIERS: dict[str, Callable[[list[Floats], Near, Golds], Iterator[Floats]]] = {
    "probe": _probe,
    "knn": _knn,
    "prior": _prior,
}


def _result(family_id: Any, scores: Floats, predicted: Booleans, gold: Booleans) -> Result:
    """Outcomes of the test families, and scores with intervals.

    The sums over families of the numbers of labels that are true positive, false positive and false negative give their
    micro-F1, 2 tp / (2 tp + fp + fn).
    """
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
    return Result(family_id, outcomes, found, len(family_id))


def macro_f1(predicted: Booleans, gold: Booleans) -> tuple[float, float]:
    """Macro-F1 over the labels that a family has, and n times its variance.

    The variance is the jackknife's, which leaves out each family in turn, and with it the labels that no other has. A
    bootstrap resample lacks a third of the rare labels, so that the bootstrap's interval can miss the score itself. As
    few families carry most of the variance, it is widened to the quantile of Student's t with Satterthwaite's degrees
    of freedom.
    """
    here = gold.any(axis=0)
    row, label = np.nonzero((predicted | gold)[:, here])
    guessed, has = predicted[:, here][row, label], gold[:, here][row, label]
    hit, labels = guessed & has, int(here.sum())
    found, families = np.bincount(label, hit, labels), np.bincount(label, has, labels)
    parts = np.bincount(label, guessed, labels) + families
    f1 = 2 * found / parts
    # Without a family the F1 of its labels changes, and a label that no other family has is gone.
    gone = has & (families[label] == 1)
    without = np.where(gone, 0.0, 2 * (found[label] - hit) / np.maximum(parts[label] - guessed - has, 1))
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
