"""P-values of paired randomisation tests, exact for few units, else from random exchanges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from patent_embeddings.core.arrays import Doubles, Integers

Octets = npt.NDArray[np.uint8]
_CELLS = 1 << 24  # bits of a block of the random matrix (2 MiB)
_CACHED = 1 << 18  # entries of a block of pairs (2 MiB), which should stay in the processor's cache
_TILE = 64, 2048  # signs and units that are numbers at once (1 MiB), which should too
_STEPS = 6  # of Newton's method; fewer give a looser bound, not a wrong one


def sign_flip(differences: Doubles, resamples: int, seed: int) -> float:
    """One-sided p-value of the paired randomisation test, which flips the signs of the differences [units].

    The alternative is a mean above 0. Enumerates all sign assignments where there are at most `resamples` of them;
    differences of 0 are left out, as they change nothing. Otherwise draws `resamples` assignments and returns
    (b + 1) / (m + 1), which is never 0 (Phipson and Smyth 2010).
    """
    table = differences[differences != 0, None]
    n, count = len(table), 0
    # Equal sums can differ in their last bits, by the order of addition: they count as ties.
    observed = table.sum() - 1e-12 * len(differences)
    for flipped in _flipped(table, resamples, seed):
        count += int((flipped >= observed).sum())
    return count / 2**n if _enumerable(n, resamples) else (count + 1) / (resamples + 1)


def exchange(numerators: Doubles, denominators: Doubles, ends: Integers, resamples: int, seed: int) -> Doubles:
    """P-values [pairs] of `statistics.compare_ratios`.

    `numerators` and `denominators` are [units, systems], `ends` the columns of each pair [pairs, 2]. `resamples` is the
    number of random exchanges, and the most that are enumerated; `seed` is theirs.
    """
    parts = (numerators, denominators)
    moved = np.zeros(len(numerators), dtype=bool)
    for first, second in few(ends, len(moved)):
        moved |= np.any([(part[:, first] != part[:, second]).any(axis=1) for part in parts], axis=0)
    units = int(moved.sum())
    exact = _enumerable(units, resamples)
    above, below = (part.sum(axis=0)[ends].sum(axis=1) for part in parts)  # sums of both systems
    score = numerators.sum(axis=0) / denominators.sum(axis=0)
    observed = np.abs(score[ends[:, 0]] - score[ends[:, 1]]) - 1e-12
    count = np.zeros(len(ends))
    for flipped in _flipped(np.concatenate(parts, axis=1)[moved], resamples, seed):
        tops, bottoms = np.split(np.ascontiguousarray(flipped.T), 2)
        for pairs in few(np.arange(len(ends)), len(flipped)):
            first, second = ends[pairs].T
            top, bottom = tops[first] - tops[second], bottoms[first] - bottoms[second]
            a, b, least = (column[pairs, None] for column in (above, below, observed))
            # The exchanged difference, (a + top) / (b + bottom) - (a - top) / (b - bottom),
            # times (b + bottom) (b - bottom).
            count[pairs] += (2 * np.abs(top * b - bottom * a) >= least * (b**2 - bottom**2)).sum(axis=1)
    if exact:
        return np.asarray(count / 2**units)
    p = (count + 1) / (resamples + 1)
    for pairs in few(np.flatnonzero(count == 0), len(moved)):
        top, bottom = (part[:, ends[pairs, 0]] - part[:, ends[pairs, 1]] for part in parts)
        a, b = above[pairs], below[pairs]
        # Whatever the exchange, such a difference needs at least this sum of linearised changes.
        reached = observed[pairs] * b / 2 * (1 - (np.abs(bottom).sum(axis=0) / b) ** 2)
        p[pairs] = np.minimum(p[pairs], 2 * _tail(top - a / b * bottom, reached))
    return np.asarray(p)


def _tail(values: Doubles, reached: Doubles) -> Doubles:
    """Chernoff's bound on the probability that values [units, columns] with random signs sum to `reached` or more.

    The bound exp(K(t) - t reached), with K the cumulant generating function of the sum, holds for every t > 0. Newton's
    method approaches the best t from below, since K' is concave and the first step is from 0. `reached` is [columns].
    """
    size = np.abs(values)
    reached = np.minimum(reached, size.sum(axis=0))
    t = reached / (size**2).sum(axis=0)
    for _ in range(_STEPS):
        slope = np.tanh(t * size)
        t += (reached - (size * slope).sum(axis=0)) / (size**2 * (1 - slope**2)).sum(axis=0)
    exponent = (t * size + np.log1p(np.exp(-2 * t * size)) - np.log(2)).sum(axis=0) - t * reached
    return np.asarray(np.maximum(np.exp(exponent), np.finfo(float).tiny))


def one_thread() -> AbstractContextManager[Any]:
    """Limit BLAS to one thread: in small products threads wait for each other longer than they compute."""
    return _threads().limit(limits=1)


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def few(values: npt.NDArray[Any], n: int) -> Iterator[Any]:
    """Transposed blocks of `values`, sized so that n numbers for each value fit in the cache."""
    step = max(1, _CACHED // max(n, 1))
    for start in range(0, len(values), step):
        yield values[start : start + step].T


def _enumerable(n: int, resamples: int) -> bool:
    """Whether all 2**n signs of n units are enumerated, as they are not more than the resamples."""
    return n < 63 and 2**n <= resamples


def _flipped(table: Doubles, resamples: int, seed: int) -> Iterator[Doubles]:
    """Sums over units [units, columns] with flipped signs, in blocks [assignments, columns].

    A unit has the same sign in all columns. Assignments are enumerated, or `resamples` random ones.
    """
    n, total = len(table), table.sum(axis=0)
    rows, width = _TILE
    for octets in _assignments(n) if _enumerable(n, resamples) else _random(n, resamples, seed):
        positive = np.zeros((len(octets), table.shape[1]))
        with one_thread():
            for start in range(0, n, width):
                part = table[start : start + width]
                for first in range(0, len(octets), rows):
                    tile = octets[first : first + rows, start // 8 : (start + width) // 8]
                    signs = np.unpackbits(tile, axis=1, count=len(part)).astype(np.float64)
                    positive[first : first + rows] += signs @ part
        yield 2 * positive - total


def _random(n: int, resamples: int, seed: int) -> Iterator[Octets]:
    """Blocks of random sign assignments, as bits [assignments, units]; 1: the sign stays."""
    generator = np.random.default_rng(seed)
    step = max(1, _CELLS // max(n, 1))
    for start in range(0, resamples, step):
        yield generator.integers(0, 256, (min(step, resamples - start), (n + 7) // 8), dtype=np.uint8)


def _assignments(n: int) -> Iterator[Octets]:
    """All 2**n sign assignments of n units in one block, as bits."""
    yield np.packbits((np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(np.uint8), axis=1)
