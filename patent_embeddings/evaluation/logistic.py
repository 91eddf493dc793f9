"""Logistic regressions of many labels on the same features, fitted together.

scikit-learn fits one label after another: lbfgs reads all features for each label in every step, and newton-cholesky
builds a Hessian for each. Here the labels are the columns of one matrix: a step is two matrix products for all that are
not done. SciPy's L-BFGS can minimise the sum over the labels in the same way, but no label is done before the last one,
and all products are float64: four times as long. This is Newton's method by conjugate gradients (Nocedal and
Wright 2006, algorithm 7.1): its slopes are float64 and decide where it ends, its directions float32. It works along the
principal axes of the features, where a Hessian is nearly diagonal, so that a few dozen products do.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from patent_embeddings.core.arrays import Booleans, Doubles, Floats
from patent_embeddings.core.progress import say

_ROWS = 1 << 12  # rows of a block: bounds memory, as does
_LABELS = 1 << 7  # how many are fitted at once
_SAMPLED = 4  # rows for each dimension that the axes are taken from: they decide how fast it goes, and no optimum
# A fit is done where a Newton step, its Hessian taken for a diagonal, would lower its loss by half the square of this.
# Its logits are then off by about as much times the root of C times the family's squared length (the dimensions): by
# 0.0003 at 1,024 dimensions and C of 0.1; by 0.002 of 137 was seen where all features lie in one direction.
_DONE = 3e-5
_SOLVED = 0.03  # how much of a slope the conjugate gradients leave
_STEPS = 100  # far more than any fit has taken


def fit(features: Floats, gold: Booleans, inverse_penalties: tuple[float, ...]) -> list[Doubles]:
    """One-versus-rest logistic regressions, L2-penalised, intercept free: scikit-learn's, to some 0.001 of its logits.

    `features` are [families, dimensions], standardised, `gold` [families, labels], each label with a family; the values
    of C ascend, and each starts from the solution of the one before. Returns for each the weights float64 [dimensions +
    1, labels], the intercepts last.
    """
    n, dimensions = features.shape
    found = [np.zeros((dimensions + 1, gold.shape[1])) for _ in inverse_penalties]
    common = gold.all(axis=0)  # nothing to tell apart
    for weights in found:
        weights[-1, common] = np.log(2 * n + 1)
    sample = features[:: max(1, n // (_SAMPLED * dimensions))].astype(np.float64)
    spread, axes = eigh(sample.T @ sample * (n / len(sample)))
    spread = np.append(np.maximum(spread, 0), n)
    turned = np.ones((n, dimensions + 1), dtype=np.float32)  # the last column is the intercept's
    for start in range(0, n, _ROWS):
        turned[start : start + _ROWS, :-1] = features[start : start + _ROWS] @ axes
    for labels in np.array_split(np.flatnonzero(~common), range(_LABELS, gold.shape[1], _LABELS)):
        share = gold[:, labels].mean(axis=0)
        steps = np.zeros((dimensions + 1, len(labels)))
        steps[-1] = np.log(share / (1 - share))
        for inverse, weights in zip(inverse_penalties, found, strict=True):
            ridge = np.append(np.full(dimensions, 1 / inverse), 0.0)[:, None]
            steps = _solve(turned, gold[:, labels], ridge, steps, spread)
            weights[:, labels] = np.vstack([axes @ steps[:-1], steps[-1]])
    return found


def _solve(features: Floats, gold: Booleans, ridge: Doubles, weights: Doubles, spread: Doubles) -> Doubles:
    """Weights [dimensions, labels] where all slopes are flat, from others.

    `ridge` [dimensions, 1] are the penalties, `spread` [dimensions] the features' sums of squares.
    """
    weights, step, fall = weights.copy(), np.zeros_like(weights), np.zeros(weights.shape[1])
    left = np.arange(weights.shape[1])
    for _ in range(_STEPS):
        slope, doubt = _slopes(features, gold[:, left], weights[:, left])
        slope += ridge * weights[:, left]
        steepness = np.outer(spread, doubt.mean(axis=0, dtype=np.float64)) + ridge  # the Hessian's diagonal, nearly
        # A step is too long where the loss rises at its end half as steeply as it fell at its start.
        far = (step[:, left] * slope).sum(axis=0) > fall[left] / 2
        step[:, left[far]] /= 2
        fall[left[far]] /= 2
        weights[:, left[far]] -= step[:, left[far]]
        going = ~far & ((slope**2 / steepness).sum(axis=0) > _DONE**2)
        new = _newton(features, doubt[:, going], ridge, slope[:, going], steepness[:, going])
        step[:, left[going]], fall[left[going]] = new, -(new * slope[:, going]).sum(axis=0)
        weights[:, left[going]] += new
        left = left[far | going]
        if not len(left):
            return weights
    say(f"probe: {len(left)} of {weights.shape[1]} labels are not at their optimum after {_STEPS} steps")
    return weights


def _newton(features: Floats, doubt: Floats, ridge: Doubles, slope: Doubles, steepness: Doubles) -> Doubles:
    """Steps [dimensions, labels] to where the quadratic through slope and Hessian is flat, by conjugate gradients."""
    step, residual = np.zeros_like(slope), -slope
    direction = residual / steepness
    size = (residual * direction).sum(axis=0)
    goal = size * _SOLVED**2
    for _ in range(_STEPS):
        left = np.flatnonzero(size > goal)
        if not len(left):
            break
        ahead = direction[:, left]
        bent = ridge * ahead + _bend(features, doubt[:, left], ahead.astype(np.float32))
        length = size[left] / (ahead * bent).sum(axis=0)
        step[:, left] += length * ahead
        residual[:, left] -= length * bent
        scaled = residual[:, left] / steepness[:, left]
        before, size[left] = size[left], (residual[:, left] * scaled).sum(axis=0)
        direction[:, left] = scaled + size[left] / before * ahead
    return step


def _bend(features: Floats, doubt: Floats, ahead: Floats) -> Doubles:
    """Hessian of the losses times a direction each [dimensions, labels]."""
    bent = np.zeros(ahead.shape)
    for start in range(0, len(features), _ROWS):
        rows = features[start : start + _ROWS]
        bent += rows.T @ (doubt[start : start + _ROWS] * (rows @ ahead))
    return bent


def _slopes(features: Floats, gold: Booleans, weights: Doubles) -> tuple[Doubles, Floats]:
    """Gradients of the losses [dimensions, labels], and p (1 - p) of each probability, float32 [families, labels]."""
    slope, doubt = np.zeros(weights.shape), np.empty(gold.shape, dtype=np.float32)
    for start in range(0, len(features), _ROWS):
        block = slice(start, start + _ROWS)
        rows = features[block].astype(np.float64)
        logits = rows @ weights
        small = np.exp(-np.abs(logits))  # never overflows
        doubt[block] = small / (1 + small) ** 2
        slope += rows.T @ (np.where(logits >= 0, 1, small) / (1 + small) - gold[block])
    return slope, doubt
