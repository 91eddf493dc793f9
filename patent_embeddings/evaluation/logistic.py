"""Logistic regressions of many labels on the same features, fitted together.

scikit-learn fits one label after another: in each step lbfgs reads all features, and newton-cholesky builds a Hessian.
Here the labels are the columns of one matrix, each with its own L-BFGS (Nocedal and Wright 2006, algorithm 7.4). A step
is two float32 matrix products for all labels that have not converged, summed block by block in float64. The features
are rotated to their principal axes, where the Hessian is nearly diagonal: its diagonal is the preconditioner, and some
ten steps suffice where there are many families.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.linalg import eigh

from patent_embeddings.core.arrays import Booleans, Doubles, Floats, Integers
from patent_embeddings.core.progress import say
from patent_embeddings.core.threads import threads

_ROWS = 1 << 11  # rows of a block: bounds memory, and the rounding of its float32 sums
_LABELS = 1 << 8  # labels fitted at once: bounds memory
# A fit has converged where a Newton step with the diagonal Hessian would lower its loss by half the square of this.
# The error of its logits is then about this times sqrt(C x dimensions): 0.0003 at 1,024 dimensions and C = 0.1. Where
# all features were collinear, 0.002 of 137 was seen.
_DONE = 3e-5
_KEPT = 20  # past steps that L-BFGS keeps
_STEPS = 1000  # far more than any fit has taken

# A step [dimensions, labels], the change of the gradient, and 1 / their product [labels], 0 where no step was taken.
Step = tuple[Doubles, Doubles, Doubles]


def fit(features: Floats, gold: Booleans, inverse_penalties: tuple[float, ...]) -> list[Doubles]:
    """One-versus-rest logistic regressions with L2 penalty and unpenalised intercept, as scikit-learn's.

    Logits agree with scikit-learn's to about 0.001. `features` are [families, dimensions], standardised; `gold` is
    [families, labels], each label with a family. `inverse_penalties` are values of C, ascending; each fit starts from
    the solution of the previous one. Returns for each C the weights, float64 [dimensions + 1, labels], intercepts last.
    """
    n, dimensions = features.shape
    found = [np.zeros((dimensions + 1, gold.shape[1])) for _ in inverse_penalties]
    common = gold.all(axis=0)  # labels of every family: there is nothing to fit
    for weights in found:
        weights[-1, common] = np.log(2 * n + 1)
    with threads() as pool:
        blocks = [features[start : start + _ROWS] for start in range(0, n, _ROWS)]
        squares = sum(pool.map(lambda rows: (rows.T @ rows).astype(np.float64), blocks))
        spread, axes = eigh(squares)
        spread, narrow = np.append(np.maximum(spread, 0), n), axes.astype(np.float32)
        turned = list(pool.map(lambda rows: _with_intercept(rows @ narrow), blocks))
        for labels in np.array_split(np.flatnonzero(~common), range(_LABELS, gold.shape[1], _LABELS)):
            share = gold[:, labels].mean(axis=0)
            steps = np.zeros((dimensions + 1, len(labels)))
            steps[-1] = np.log(share / (1 - share))
            for inverse, weights in zip(inverse_penalties, found, strict=True):
                ridge = np.append(np.full(dimensions, 1 / inverse), 0.0)[:, None]
                steps = _solve(turned, gold[:, labels], ridge, steps, spread, pool)
                weights[:, labels] = np.vstack([axes @ steps[:-1], steps[-1]])
    return found


def _with_intercept(rows: Floats) -> Floats:
    return np.append(rows, np.ones((len(rows), 1), np.float32), axis=1)


def _solve(
    blocks: list[Floats], gold: Booleans, ridge: Doubles, weights: Doubles, spread: Doubles, pool: ThreadPoolExecutor
) -> Doubles:
    """Weights [dimensions, labels] at the optimum, starting from others.

    `blocks` are the features [families, dimensions] in blocks of `_ROWS` rows, `ridge` [dimensions, 1] the penalties,
    `spread` [dimensions] the sums of squares of the features.
    """
    weights, step, slope, steepness = weights.copy(), *(np.zeros_like(weights) for _ in range(3))
    fall, past = np.zeros(weights.shape[1]), deque[Step](maxlen=_KEPT)
    left = np.arange(weights.shape[1])
    for _ in range(_STEPS):
        ahead, doubt = _slopes(blocks, gold[:, left], weights[:, left], pool)
        ahead += ridge * weights[:, left]
        # A step is too long where the loss rises at its end half as steeply as it fell at its start.
        far = (step[:, left] * ahead).sum(axis=0) > fall[left] / 2
        long, there, ahead = left[far], left[~far], ahead[:, ~far]
        step[:, long] /= 2
        fall[long] /= 2
        weights[:, long] -= step[:, long]
        taken, change = np.zeros_like(step), np.zeros_like(step)
        taken[:, there], change[:, there] = step[:, there], ahead - slope[:, there]
        product = (taken * change).sum(axis=0)
        past.append((taken, change, np.divide(1, product, out=np.zeros_like(product), where=product > 0)))
        slope[:, there] = ahead
        steepness[:, there] = np.outer(spread, doubt[~far]) + ridge  # the Hessian's diagonal, nearly
        going = there[(ahead**2 / steepness[:, there]).sum(axis=0) > _DONE**2]
        step[:, going] = _step(past, slope, steepness, going)
        fall[going] = -(step[:, going] * slope[:, going]).sum(axis=0)
        weights[:, going] += step[:, going]
        left = np.sort(np.append(long, going))
        if not len(left):
            return weights
    say(f"probe: {len(left)} of {weights.shape[1]} labels are not at their optimum after {_STEPS} steps")
    return weights


def _step(past: deque[Step], slope: Doubles, steepness: Doubles, labels: Integers) -> Doubles:
    """L-BFGS step [dimensions, labels] of some labels, by the two-loop recursion over past steps."""
    known = [(taken[:, labels], change[:, labels], inverse[labels]) for taken, change, inverse in past]
    step, shares = -slope[:, labels], []
    for taken, change, inverse in reversed(known):
        shares.append(inverse * (taken * step).sum(axis=0))
        step -= shares[-1] * change
    step /= steepness[:, labels]
    for (taken, change, inverse), share in zip(known, reversed(shares), strict=True):
        step += (share - inverse * (change * step).sum(axis=0)) * taken
    return step


def _slopes(
    blocks: list[Floats], gold: Booleans, weights: Doubles, pool: ThreadPoolExecutor
) -> tuple[Doubles, Doubles]:
    """Gradients of the losses [dimensions, labels], and for each label the mean of p (1 - p) over its probabilities."""
    narrow = weights.astype(np.float32)

    def of(rows: Floats, own: Booleans) -> tuple[Doubles, Doubles]:
        share = rows @ narrow
        with np.errstate(over="ignore"):  # exp overflows to infinity, which gives a probability of 0
            np.exp(np.negative(share, out=share), out=share)
        np.reciprocal(np.add(share, 1, out=share), out=share)
        doubt = (share * (1 - share)).sum(axis=0, dtype=np.float64)
        return (rows.T @ np.subtract(share, own, out=share)).astype(np.float64), doubt

    slope, doubt = np.zeros(weights.shape), np.zeros(weights.shape[1])
    for one, other in pool.map(of, blocks, (gold[start : start + _ROWS] for start in range(0, len(gold), _ROWS))):
        slope += one
        doubt += other
    return slope, doubt / len(gold)
