"""Logistic regressions of many labels at once against scikit-learn's, one label after another."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from patent_embeddings.evaluation import logistic
from patent_embeddings.evaluation.classification import INVERSE_PENALTIES


def standardised(features: np.ndarray) -> np.ndarray:
    return ((features - features.mean(axis=0)) / features.std(axis=0)).astype(np.float32)


@pytest.mark.parametrize(
    ("n", "dimensions", "shared"), [(300, 200, 0.0), (60, 150, 0.0), (500, 40, 10.0), (10_000, 40, 1.0)]
)
def test_logits_are_scikit_learns(n: int, dimensions: int, shared: float) -> None:
    """More families than dimensions and fewer, dimensions that go together, more families than a block holds."""
    rng = np.random.default_rng(dimensions)
    gold = rng.random((n, 6)) < [0.95, 0.5, 0.1, 0.05, 0.02, 0.01]
    gold[0] = True
    gold[1] = False
    features = standardised(
        gold @ rng.normal(size=(6, dimensions))
        + rng.normal(size=(n, dimensions))
        + shared * rng.normal(size=(n, 1)) * rng.normal(size=dimensions)
    )
    fitted = logistic.fit(features, gold, INVERSE_PENALTIES)
    for inverse, weights in zip(INVERSE_PENALTIES, fitted, strict=True):
        reference = LogisticRegression(C=inverse, solver="newton-cholesky", tol=1e-10, max_iter=1000)
        theirs = [reference.fit(features.astype(float), label).decision_function(features) for label in gold.T]
        np.testing.assert_allclose(features @ weights[:-1] + weights[-1], np.transpose(theirs), rtol=0, atol=1e-3)


def test_a_label_fits_alone_as_among_others() -> None:
    rng = np.random.default_rng(1)
    gold = rng.random((200, 140)) < np.linspace(0.02, 0.6, 140)
    gold[0] = True
    features = standardised(gold @ rng.normal(size=(140, 20)) + rng.normal(size=(200, 20)))
    together = logistic.fit(features, gold, (0.1,))[0]
    alone = np.hstack([logistic.fit(features, gold[:, [label]], (0.1,))[0] for label in range(140)])
    wide = np.hstack([features, np.ones((200, 1))])
    np.testing.assert_allclose(wide @ together, wide @ alone, rtol=0, atol=1e-3)


def test_labels_that_everyone_has_are_certain() -> None:
    rng = np.random.default_rng(2)
    features = standardised(rng.normal(size=(50, 5)))
    gold = np.ones((50, 2), dtype=bool)
    for weights in logistic.fit(features, gold, (0.1, 1.0)):
        np.testing.assert_array_equal(weights[:-1], 0)
        np.testing.assert_allclose(weights[-1], np.log(101))
    gold[:20, 1] = False
    (weights,) = logistic.fit(features, gold, (0.1,))
    np.testing.assert_array_equal(weights[:, 0], [0, 0, 0, 0, 0, np.log(101)])
    assert abs(weights[-1, 1] - np.log(30 / 20)) < 0.5


def test_a_fit_that_stops_short_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic, "_STEPS", 1)
    rng = np.random.default_rng(3)
    gold = rng.random((100, 3)) < 0.3
    logistic.fit(standardised(rng.normal(size=(100, 8))), gold, (0.01,))
    assert "3 of 3 labels are not at their optimum after 1 steps" in capsys.readouterr().err


def test_separable_labels_and_long_steps() -> None:
    """Planted apart, with hardly a penalty: whole Newton steps overshoot, and the optimum is far."""
    rng = np.random.default_rng(4)
    gold = np.arange(80)[:, None] % 16 == np.arange(4)
    features = standardised(6 * gold @ rng.normal(size=(4, 12)) + 0.2 * rng.normal(size=(80, 12)))
    (weights,) = logistic.fit(features, gold, (100.0,))
    for label, own in zip(gold.T, weights.T, strict=True):
        reference = LogisticRegression(C=100.0, solver="newton-cholesky", tol=1e-12, max_iter=1000)
        theirs = reference.fit(features.astype(float), label).decision_function(features)
        np.testing.assert_allclose(features @ own[:-1] + own[-1], theirs, rtol=0, atol=1e-3)
