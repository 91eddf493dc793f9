"""Scores and relative losses over units, with intervals that are honest for few or identical units."""

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
FEWEST = 6  # units; with fewer no two-sided exact test can reach 5 %
POINT = 1e-12  # a narrower interval comes from outcomes that are all equal


def span(
    value: float, low: float, high: float, n: int, ends: tuple[float, float] = (-1.0, 1.0), unit: float = 1.0
) -> tuple[float, float]:
    """Correct the bootstrap interval (`low` to `high`) of a mean over n units where the bootstrap fails.

    With fewer than `FEWEST` units it is far too narrow: NaN. Where all units are equal it is a point, and is widened by
    the share of other units that n units may fail to show (`unseen`). `ends` are the least and the greatest possible
    mean; `unit` is the most that one unit can differ by.
    """
    if n < FEWEST:
        return math.nan, math.nan
    if high - low < POINT:
        far = unit * unseen(n)
        return max(value - far, ends[0]), min(value + far, ends[1])
    return low, high


def unseen(n: int) -> float:
    """The largest share of other units of which a sample of n has none with probability 5 %: 1 - .05 ** (1 / n)."""
    return float(1 - ALPHA ** (1 / n))


def honest(result: Comparison) -> Comparison:
    """The comparison with its interval corrected by `span`."""
    low, high = span(result.difference, result.low, result.high, result.n)
    return replace(result, low=low, high=high)


def score(rows: pd.DataFrame) -> float:
    """Score of rows of `units`: sum of numerators over sum of denominators."""
    return float(rows["numerator"].sum() / rows["denominator"].sum())


def score_interval(rows: pd.DataFrame) -> tuple[float, float]:
    """Interval of `score`, as in reports/scores.csv; NaN where there are too few units."""
    low, high = statistics.ratio_interval(rows["numerator"].to_numpy(float), rows["denominator"].to_numpy(float))
    return float(low), float(high)


def loss(sums: Doubles) -> Doubles:
    """Relative loss from the first column to the second of [resamples, 2]; 0 where the first is 0."""
    return 1 - np.divide(sums[:, 1], sums[:, 0], out=np.ones(len(sums)), where=sums[:, 0] != 0)


def lost(table: Doubles, resamples: int, seed: int) -> tuple[float, float, float]:
    """Relative loss from the first column of outcomes [units, 2] to the second, with its interval (see `span`)."""
    whole = float(loss(table.sum(axis=0)[None])[0])
    if not table[:, 0].any():
        return whole, math.nan, math.nan
    low, high = statistics.bootstrap(table, loss, resamples, seed)
    return whole, *span(whole, low, high, len(table), (-math.inf, 1.0), 1 / float(table[:, 0].mean()))
