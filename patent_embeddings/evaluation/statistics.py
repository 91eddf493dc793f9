"""Intervals and comparisons over queries (or other units): seeded, vectorised, exact for small samples.

The interval of one score is closed (`score_interval`), that of a difference is the bootstrap's. All resampling is a
product of a random matrix with the outcomes, a part at a time, and every column (system, metric) sees the same
resamples, so that differences between columns are paired.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from patent_embeddings.core.arrays import Doubles
from patent_embeddings.evaluation.randomisation import exchange, few, one_thread

Pairs = list[tuple[int, int]]
LEVEL = 0.95
Z = 1.959964  # standard errors that such an interval reaches to either side
FEWEST = 6  # units behind an interval: of fewer, none covers what it says
_DRAWN = 1 << 18  # units drawn at once (2 MiB), which should stay in the processor's cache
_END = 1 / 8  # of an outcome, at either end of the scale, that is reckoned with beside the outcomes seen


@dataclass(frozen=True)
class Comparison:
    """Outcome of `compare`: mean difference, its interval, p-value, standardised effect and number of units."""

    difference: float
    low: float
    high: float
    p: float
    effect: float
    n: int


def compare(first: Doubles, second: Doubles, resamples: int, seed: int) -> Comparison:
    """Compare two systems on the same units, first minus second.

    Their outcomes [units] are in the same order. Raises ValueError: the shapes differ or there are no units.
    """
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"paired outcomes must be two equal, filled vectors, not {first.shape} and {second.shape}")
    both = np.column_stack([first, second])
    (found,) = compare_ratios(both, np.ones_like(both), [(0, 1)], resamples, seed)
    return found


def compare_ratios(
    numerators: Doubles, denominators: Doubles, pairs: Pairs, resamples: int, seed: int, intervals: bool = True
) -> list[Comparison]:
    """Compare systems whose score is a ratio of sums over units, such as micro-F1; of means too, with denominators 1.

    The interval is the bootstrap's over units. The test exchanges the two systems' numerators and denominators unit by
    unit, all 2**units ways where there are at most `resamples` of them; else `resamples` random ways. The effect is the
    mean linearised difference in its standard deviations (`effect_sizes`).

    Where no random way reaches the difference, 1 / (resamples + 1) says only that p is small, and no
    correction for many pairs could get by it: there p is Chernoff's bound on it, if that is smaller. The
    bound is never below p, and is taken only where the p-value was the least already: no level is exceeded.

    Both are [units, systems], the sums of `denominators` positive; `pairs` are columns to compare, first minus second,
    which share their resamples. Without `intervals` these are NaN, in a quarter of the time. Raises ValueError: there
    are no units.
    """
    if not len(numerators):
        raise ValueError("no units to compare")
    if not pairs:
        return []
    n = len(numerators)
    score = numerators.sum(axis=0) / denominators.sum(axis=0)
    linear = (numerators - score * denominators) / denominators.mean(axis=0) + score
    ends = np.array(pairs)
    low = high = np.full(len(ends), np.nan)
    if intervals:
        # Every system is resampled once, and a pair is a difference of two rows: pairs may be half a million.
        top, bottom = np.split(resampled(np.concatenate([numerators, denominators], axis=1), resamples, seed).T, 2)
        drawn = _ratio(top, bottom)
        bounds = [percentiles((drawn[first] - drawn[second]).T) for first, second in few(ends, resamples)]
        low, high = (np.concatenate(side) for side in zip(*bounds, strict=True))
    effects = [effect_sizes(linear[:, first] - linear[:, second]) for first, second in few(ends, n)]
    difference = score[ends[:, 0]] - score[ends[:, 1]]
    p = exchange(numerators, denominators, ends, resamples, seed)
    rows = np.column_stack([difference, low, high, p, np.concatenate(effects)]).tolist()
    return [Comparison(change, least, most, chance, effect, n) for change, least, most, chance, effect in rows]


def bootstrap(
    columns: Doubles, statistic: Callable[[Doubles], Doubles], resamples: int, seed: int
) -> tuple[float, float]:
    """Percentile interval of a statistic of column sums.

    `columns` are outcomes [units, columns], which share their resamples; `statistic` makes [resamples] of their sums
    [resamples, columns].
    """
    low, high = percentiles(statistic(resampled(columns, resamples, seed)))
    return float(low), float(high)


def _ratio(top: Doubles, bottom: Doubles) -> Doubles:
    """Quotient, 0 where nothing is divided by nothing."""
    return np.divide(top, bottom, out=np.zeros(np.broadcast_shapes(top.shape, bottom.shape)), where=bottom != 0)


def resampled(columns: Doubles, resamples: int, seed: int) -> Doubles:
    """Sums [resamples, columns] of bootstrap resamples of units [units, columns]; the same draws for as many units."""
    n = len(columns)
    generator = np.random.default_rng(seed)
    step = max(1, _DRAWN // n)
    first = np.arange(step, dtype=np.int64)[:, None] * n
    sums = np.empty((resamples, columns.shape[1]))
    with one_thread():
        for start in range(0, resamples, step):
            size = min(step, resamples - start)
            units = generator.integers(0, n, (size, n), dtype=np.int64)
            units += first[:size]
            drawn = np.bincount(units.ravel(), minlength=size * n).reshape(size, n)
            sums[start : start + size] = drawn.astype(np.float64) @ columns
    return sums


def percentiles(values: Doubles, level: float = LEVEL) -> tuple[Doubles, Doubles]:
    """Lower and upper percentile [...] of resampled statistics [resamples, ...] at a confidence level."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.asarray(low), np.asarray(high)


def score_interval(
    value: Doubles | float, variance: Doubles | float, n: int, lowest: Doubles | float = 0.0
) -> tuple[Doubles, Doubles]:
    """95 % interval of a score that lies between `lowest` and 1, and can be as skewed as few and mostly zero outcomes.

    Wilson's (1927) interval of a share, at the number of 0-or-1 outcomes that would tell the score as precisely (the
    effective sample size of Korn and Graubard 1998). It holds the score, keeps within its bounds, and where every
    outcome is 0 it is the honest bound of a share that was never met: 0 to about 3.8 / n. Few skewed outcomes tend to
    lack the rare high ones, and show too small a variance: an eighth of an outcome at either end is reckoned with,
    which covers 93 to 97 % of draws of 6 to 35 of the record's nDCG@10 (`tests/evaluation/test_statistics.py`).

    `value` is the score [...] of `n` units, none below `lowest` [...]; `variance` that of one unit's (linearised)
    outcome, n times that of the score. Returns lower and upper bound [...]; NaN where there are fewer than `FEWEST`
    units.
    """
    if n < FEWEST:
        return np.full(np.shape(value), np.nan), np.full(np.shape(value), np.nan)
    score, spread = (value - lowest) / (1 - np.asarray(lowest)), variance / (1 - np.asarray(lowest)) ** 2
    units = n + 2 * _END
    mean = (n * score + _END) / units
    squares = (n - 1) * spread + n * score**2 + _END - units * mean**2
    effective = n * mean * (1 - mean) * (units - 1) / squares
    doubt = Z**2 / effective
    centre = (score + doubt / 2) / (1 + doubt)
    reach = np.sqrt(doubt * (score * (1 - score) + doubt / 4)) / (1 + doubt)
    # Rounding must not put a bound past the score it holds.
    low, high = np.minimum(centre - reach, score), np.maximum(centre + reach, score)
    return lowest + (1 - np.asarray(lowest)) * low, lowest + (1 - np.asarray(lowest)) * high


def mean_interval(values: Doubles) -> tuple[Doubles, Doubles]:
    """`score_interval` of the means of outcomes in 0..1, [units] or [units, columns]."""
    n = len(values)
    return score_interval(values.mean(axis=0), values.var(axis=0) * n / max(n - 1, 1), n)


def ratio_interval(numerators: Doubles, denominators: Doubles) -> tuple[Doubles, Doubles]:
    """`score_interval` of a ratio of sums over units [units], such as micro-F1, by its linearised outcomes."""
    n, score = len(numerators), numerators.sum() / denominators.sum()
    linear = (numerators - score * denominators) / denominators.mean()
    return score_interval(score, (linear**2).sum() / max(n - 1, 1), n)


def interval(values: Doubles, resamples: int, seed: int, level: float = LEVEL) -> tuple[Doubles, Doubles]:
    """Bootstrap percentile interval of the mean over units, for differences; of a score see `mean_interval`.

    `values` are outcomes [units] or [units, columns], columns sharing their resamples. Returns lower and upper bound,
    each [] or [columns]; of paired differences, their interval. Raises ValueError: there are no units.
    """
    if not len(values):
        raise ValueError("no units to resample")
    means = resampled(values.reshape(len(values), -1), resamples, seed) / len(values)
    return percentiles(means.reshape(resamples, *values.shape[1:]), level)


def holm(p: Doubles) -> Doubles:
    """Holm's step-down adjustment of the p-values [hypotheses] of one family (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def effect_sizes(differences: Doubles) -> Doubles:
    """Mean paired difference in standard deviations of the differences (Cohen's d_z), of each column [units, columns].

    0 where all differences are 0 or there is one unit only; infinite where they are equal and not 0.
    """
    mean = differences.mean(axis=0)
    if len(differences) < 2:
        return np.zeros(len(mean))
    deviation = differences.std(axis=0, ddof=1)
    equal = np.where(mean == 0, 0.0, np.copysign(np.inf, mean))
    return np.divide(mean, deviation, out=equal, where=deviation > 0)
