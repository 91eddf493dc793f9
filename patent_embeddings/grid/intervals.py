"""Scores and losses of rows of units, and intervals that say no more than these units do."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from patent_embeddings.core.arrays import Doubles
from patent_embeddings.evaluation import statistics
from patent_embeddings.evaluation.statistics import Comparison

RESAMPLES = 10_000
ALPHA = 0.05  # an adjusted p-value below it is significant
FEWEST = 6  # units: with fewer no two-sided exact test can reach 5 %
POINT = 1e-12  # an interval narrower than that is one of outcomes that are all the same


def span(
    value: float, low: float, high: float, n: int, ends: tuple[float, float] = (-1.0, 1.0), unit: float = 1.0
) -> tuple[float, float]:
    """The bootstrap's interval of a mean of n units, `low` to `high`, where it can be trusted.

    With fewer than `FEWEST` units it is far too narrow: NaN. Where all units are the same, such as all 0, it is a
    point: it is then widened by what units could change that n units need not show (`unseen`). `ends` are of what the
    mean can be; `unit` is the most that a unit can differ by: scores are 0 to 1.
    """
    if n < FEWEST:
        return math.nan, math.nan
    if high - low < POINT:
        far = unit * unseen(n)
        return max(value - far, ends[0]), min(value + far, ends[1])
    return low, high


def unseen(n: int) -> float:
    """The largest share of other units of which n units still show none with a chance of 5 %: 1 - .05 ** (1 / n)."""
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


def loss(sums: Doubles) -> Doubles:
    """Relative loss from the first column to the second [resamples, 2]; 0 where there is nothing to lose."""
    return 1 - np.divide(sums[:, 1], sums[:, 0], out=np.ones(len(sums)), where=sums[:, 0] != 0)


def lost(table: Doubles, resamples: int, seed: int) -> tuple[float, float, float]:
    """Relative loss from the first column of outcomes [units, 2] to the second, with its interval (as `span`)."""
    whole = float(loss(table.sum(axis=0)[None])[0])
    if not table[:, 0].any():
        return whole, math.nan, math.nan
    low, high = statistics.bootstrap(table, loss, resamples, seed)
    return whole, *span(whole, low, high, len(table), (-math.inf, 1.0), 1 / float(table[:, 0].mean()))
