"""Multi-label classification of families from their vectors: a logistic probe, kNN, and the label prior as floor.

Everything is fitted on train; regularisation and the decision threshold (one for all labels, the
one of the highest micro-F1) are chosen on dev; test is only scored. A label without a train family
is ranked last and never predicted, but counts where a test family has it. Macro-F1 is the mean over
the labels that a test family has. Families without a label of the set are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Vectors = npt.NDArray[np.float32]
    Scores = npt.NDArray[np.float32]
    Gold = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]

INVERSE_PENALTIES = (0.003, 0.01, 0.03, 0.1)  # scikit-learn's C, on standardised features
NEIGHBOURS = 10
_ROWS = 1 << 13  # rows of a block: bounds memory, not the result


@dataclass(frozen=True)
class Result:
    """What one classifier did on the test families.

    Attributes:
        family_id: the test families [n].
        outcomes: per family [n]: `LRAP`, and `tp`, `fp`, `fn`, its right, wrong and missed labels, whose
            sums over any set of families give its micro-F1, 2 tp / (2 tp + fp + fn).
        scores: of `micro-F1`, `macro-F1`, `LRAP`: value, lower and upper bound.
    """

    family_id: npt.NDArray[Any]
    outcomes: dict[str, Floats]
    scores: dict[str, tuple[float, float, float]]


def classify(vectors: Vectors, families: pd.Series, labels: pd.DataFrame, resamples: int, seed: int) -> dict[str, Result]:  # fmt: skip
    """Classify under one label set.

    Args:
        vectors: float32 [families, dimensions]; may be memory-mapped.
        families: family id of each row.
        labels: rows of `tables.LABELS` of one label set.
        resamples: bootstrap resamples of the test families behind each interval.
        seed: of the resampling.

    Returns:
        A result for each of `probe`, `knn`, `prior`; empty where train, dev or test has no labelled family.
    """
    import numpy as np
    import pandas as pd

    labels = labels[labels["family_id"].isin(families)]
    row = pd.Index(families).get_indexer(pd.Index(labels["family_id"]))
    gold = indicator(labels["labels"])
    train, dev, test = (np.flatnonzero(labels["split"] == split) for split in ("train", "dev", "test"))
    if not (len(train) and len(dev) and len(test)):
        return {}
    parts = [np.asarray(vectors[row[part]], dtype=np.float32) for part in (train, dev, test)]
    seen = np.asarray(gold[train].any(axis=0))
    results = {}
    for system, classifier in CLASSIFIERS.items():
        on_dev, on_test = (
            _widened(scores, seen) for scores in classifier(*parts, gold[train][:, seen], gold[dev], seen)
        )
        predicted = on_test >= threshold(on_dev, gold[dev])
        results[system] = _result(
            labels["family_id"].to_numpy()[test], on_test, predicted, gold[test], resamples, seed
        )  # fmt: skip
    return results


def indicator(labels: pd.Series) -> Gold:
    """Families by labels: who has which, labels in alphabetical order."""
    from sklearn.preprocessing import MultiLabelBinarizer

    matrix = MultiLabelBinarizer(sparse_output=True).fit_transform(labels)
    dense: Gold = matrix.astype(bool).toarray()
    return dense


def threshold(scores: Scores, gold: Gold) -> float:
    """The threshold on scores [families, labels] that gives the highest micro-F1; the highest such one."""
    import numpy as np

    finite = np.isfinite(scores)
    order = np.argsort(-scores[finite], kind="stable")
    value = scores[finite][order].astype(np.float64)
    hits = np.cumsum(gold[finite][order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + gold.sum())
    following = np.append(value[1:], value[-1] - 2.0)
    f1[value == following] = -1.0  # equal scores are predicted together
    best = int(np.argmax(f1))
    return float((value[best] + following[best]) / 2)


def ranking_precision(scores: Scores, gold: Gold) -> Floats:
    """Label ranking average precision of each family (scikit-learn's, before its mean); every row has a label."""
    import numpy as np

    family, label = np.nonzero(gold)
    precision = np.empty(len(family))
    for start in range(0, len(family), _ROWS):
        rows, columns = family[start : start + _ROWS], label[start : start + _ROWS]
        above = scores[rows] >= scores[rows, columns][:, None]
        precision[start : start + _ROWS] = (above & gold[rows]).sum(axis=1) / above.sum(axis=1)
    return np.asarray(np.bincount(family, weights=precision, minlength=len(gold)) / gold.sum(axis=1))


def fit_logistic(features: Vectors, gold: Gold, inverse_penalties: tuple[float, ...], tolerance: float = 1e-5) -> list[Floats]:  # fmt: skip
    """One-versus-rest logistic regressions of all labels at once, L2-penalised, intercept free.

    The same optimum as scikit-learn's LogisticRegression of each label, found by one L-BFGS over all
    of them, so that the work is matrix products, in the principal axes of the features and scaled by
    each label's curvature there; each penalty starts from the solution of the one before.

    Args:
        features: [families, dimensions], standardised.
        gold: [families, labels].
        inverse_penalties: values of C, ascending.
        tolerance: relative decrease of the loss at which to stop.

    Returns:
        For each C the weights [dimensions + 1, labels], the intercepts last.
    """
    import numpy as np
    from scipy.optimize import minimize

    n, labels = gold.shape
    curvature, axes = np.linalg.eigh((features.T @ features).astype(np.float64))
    rotated, target = features @ axes.astype(np.float32), gold.astype(np.float32)
    rate = (gold.sum(axis=0) + 0.5) / (n + 1)
    weights = np.vstack([np.zeros((len(axes), labels)), np.log(rate / (1 - rate))])
    fitted = []
    for inverse in inverse_penalties:
        steep = np.maximum(curvature, 0)[:, None] * rate * (1 - rate) + 1 / inverse
        scale = 1 / np.sqrt(np.vstack([steep, n * rate * (1 - rate)]))
        found = minimize(_loss, (weights / scale).ravel(), (rotated, target, scale, inverse), jac=True,
                         method="L-BFGS-B", options={"maxiter": 100, "ftol": tolerance, "gtol": 0.0})  # fmt: skip
        weights = found.x.reshape(scale.shape) * scale
        fitted.append(np.vstack([axes @ weights[:-1], weights[-1:]]))
    return fitted


def _loss(point: Floats, features: Vectors, target: Scores, scale: Floats, inverse: float) -> tuple[float, Floats]:
    """Penalised logistic loss of all labels, and its gradient, in scaled weights."""
    import numpy as np
    from scipy.special import expit

    weights = point.reshape(scale.shape) * scale
    slopes, intercepts = weights[:-1].astype(np.float32), weights[-1].astype(np.float32)
    loss = float((weights[:-1] ** 2).sum()) / (2 * inverse)
    gradient = np.vstack([weights[:-1] / inverse, np.zeros((1, len(intercepts)))])
    for start in range(0, len(features), _ROWS):
        rows, wanted = features[start : start + _ROWS], target[start : start + _ROWS]
        logits = rows @ slopes + intercepts
        loss += float(np.logaddexp(0, logits).sum(dtype=np.float64) - (logits * wanted).sum(dtype=np.float64))
        residual = expit(logits) - wanted
        gradient[:-1] += rows.T @ residual
        gradient[-1] += residual.sum(axis=0)
    return loss, (gradient * scale).ravel()


def _probe(
    train: Vectors, dev: Vectors, test: Vectors, gold: Gold, dev_gold: Gold, seen: Gold
) -> tuple[Scores, Scores]:
    """Logits under the C of the highest LRAP on dev."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train)
    train, dev, test = (scaler.transform(part) for part in (train, dev, test))
    on_dev, weights = max(
        ((_logits(dev, weights), weights) for weights in fit_logistic(train, gold, INVERSE_PENALTIES)),
        key=lambda pair: float(ranking_precision(_widened(pair[0], seen), dev_gold).mean()),
    )
    return on_dev, _logits(test, weights)


def _logits(features: Vectors, weights: Floats) -> Scores:
    import numpy as np

    return np.asarray(features @ weights[:-1] + weights[-1], dtype=np.float32)


def _knn(train: Vectors, dev: Vectors, test: Vectors, gold: Gold, *_: Any) -> tuple[Scores, Scores]:
    """Share of the nearest train families by cosine that have a label, each weighed by its cosine."""
    import numpy as np
    from scipy.sparse import csr_matrix
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import normalize

    k = min(NEIGHBOURS, len(train))
    # On the unit sphere the squared distance is 2 - 2 cosine: the same order.
    nearest = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(normalize(train))

    def scores(part: Vectors) -> Scores:
        distance, neighbour = nearest.kneighbors(normalize(part))
        cosine = np.maximum(1 - distance.astype(np.float64) ** 2 / 2, 1e-6)
        share = cosine / cosine.sum(axis=1, keepdims=True)
        votes = csr_matrix((share.ravel(), neighbour.ravel(), np.arange(len(part) + 1) * k), (len(part), len(train)))
        return np.asarray(votes @ gold.astype(np.float64), dtype=np.float32)

    return scores(dev), scores(test)


def _prior(train: Vectors, dev: Vectors, test: Vectors, gold: Gold, *_: Any) -> tuple[Scores, Scores]:
    """Share of the train families that have a label, whatever the vector."""
    import numpy as np

    share = gold.mean(axis=0, dtype=np.float64).astype(np.float32)
    return np.tile(share, (len(dev), 1)), np.tile(share, (len(test), 1))


CLASSIFIERS: dict[str, Callable[..., tuple[Scores, Scores]]] = {"probe": _probe, "knn": _knn, "prior": _prior}


def _widened(scores: Scores, seen: Gold) -> Scores:
    """Scores of all labels: those that no train family has come last."""
    import numpy as np

    wide = np.full((len(scores), len(seen)), -np.inf, dtype=np.float32)
    wide[:, seen] = scores
    return wide


def _result(family_id: Any, scores: Scores, predicted: Gold, gold: Gold, resamples: int, seed: int) -> Result:
    """Outcomes of the test families, scores, and bootstrap intervals of the very statistics."""
    import numpy as np
    from scipy.sparse import csr_matrix

    from stages.evaluation import statistics

    outcomes = {
        "LRAP": ranking_precision(scores, gold),
        "tp": (predicted & gold).sum(axis=1, dtype=np.float64),
        "fp": (predicted & ~gold).sum(axis=1, dtype=np.float64),
        "fn": (~predicted & gold).sum(axis=1, dtype=np.float64),
    }
    by_family = np.column_stack(list(outcomes.values()))
    hits, claims = (csr_matrix(part, dtype=np.float64) for part in (predicted & gold, predicted))
    truths = csr_matrix(gold, dtype=np.float64)

    def measured(weights: Floats) -> Floats:
        """The three scores [resamples, 3] when family i counts weights[:, i] times."""
        lrap, tp, fp, fn = (weights @ by_family).T
        found, claimed, wanted = ((part.T @ weights.T).T for part in (hits, claims, truths))
        f1 = 2 * found / np.maximum(claimed + wanted, 1)
        macro = (f1 * (wanted > 0)).sum(axis=1) / (wanted > 0).sum(axis=1)
        return np.column_stack([2 * tp / (2 * tp + fp + fn), macro, lrap / weights.sum(axis=1)])

    value = measured(np.ones((1, len(gold))))[0]
    resampled = [measured(weights) for weights in statistics.draws(len(gold), resamples, seed)]
    low, high = statistics.percentiles(np.concatenate(resampled))
    names = ("micro-F1", "macro-F1", "LRAP")
    bounds = zip(value.tolist(), low.tolist(), high.tolist(), strict=True)
    return Result(family_id, outcomes, dict(zip(names, bounds, strict=True)))
