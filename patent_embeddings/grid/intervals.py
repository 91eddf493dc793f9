"""Scores and losses of rows of units, and intervals that say no more than these units do."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from patent_embeddings.evaluation import statistics
from patent_embeddings.evaluation.statistics import Comparison

Floats = npt.NDArray[np.float64]

RESAMPLES = 10_000
ALPHA = 0.05  # an adjusted p-value below it is significant
FEWEST = 6  # units: with fewer no two-sided exact test can reach 5 %
POINT = 1e-12  # an interval narrower than that is one of outcomes that are all the same


def span(
    value: float, low: float, high: float, n: int, ends: tuple[float, float] = (-1.0, 1.0), unit: float = 1.0
) -> tuple[float, float]:
    """An interval of a mean that says no more than its n units do.

    The bootstrap of a handful of units is far too narrow: none (NaN) below `FEWEST`. That of units that are all the
    same, such as all 0, is a point: there as far as units that none of the n shows could move the mean.

    `low` and `high` are the bootstrap's, `ends` of what the mean can be; `unit` is the most that a unit can differ by:
    scores are 0 to 1.
    """
    if n < FEWEST:
        return math.nan, math.nan
    if high - low < POINT:
        far = unit * unseen(n)
        return max(value - far, ends[0]), min(value + far, ends[1])
    return low, high


def unseen(n: int) -> float:
    """Largest share of units that are otherwise, of which n show none with a chance of 5 %: 1 - .05 ** (1 / n)."""
    return float(1 - ALPHA ** (1 / n))


def honest(result: Comparison) -> Comparison:
    """The comparison with its interval as `span` has it."""
    low, high = span(result.difference, result.low, result.high, result.n)
    return replace(result, low=low, high=high)


def score(rows: pd.DataFrame) -> float:
    """The score of rows of `units`: the sum of numerators over that of denominators."""
    return float(rows["numerator"].sum() / rows["denominator"].sum())


def score_interval(rows: pd.DataFrame) -> tuple[float, float]:
    """Interval of `score` as a cell's own scores have it; NaN where there are too few units."""
    low, high = statistics.ratio_interval(rows["numerator"].to_numpy(float), rows["denominator"].to_numpy(float))
    return float(low), float(high)


def loss(sums: Floats) -> Floats:
    """Relative loss from the first column to the second [resamples, 2]; 0 where there is nothing to lose."""
    return 1 - np.divide(sums[:, 1], sums[:, 0], out=np.ones(len(sums)), where=sums[:, 0] != 0)


def loss_interval(table: Floats, resamples: int, seed: int) -> tuple[float, float]:
    """Interval (as `span`) of the relative loss from the first column of outcomes [units, 2] to the second; or none."""
    if not table[:, 0].any():
        return math.nan, math.nan
    low, high = statistics.bootstrap(table, loss, resamples, seed)
    whole = float(loss(table.sum(axis=0)[None])[0])
    return span(whole, low, high, len(table), (-math.inf, 1.0), 1 / float(table[:, 0].mean()))
