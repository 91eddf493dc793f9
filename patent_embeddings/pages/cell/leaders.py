"""The best system on a landscape, the significance of its lead, and the share of its score that it keeps OUT."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from patent_embeddings.evaluation.statistics import compare_ratios, holm
from patent_embeddings.grid.intervals import ALPHA, lost
from patent_embeddings.pages.failures.queries import named, tested, wide

RESAMPLES = 10_000
_SAME = 1e-12  # scores that differ by less differ by the order of their additions


@dataclass(frozen=True)
class Leader:
    """The best system over the test queries of a landscape, and the next best."""

    system: str
    score: float
    queries: int
    level: tuple[str, ...]  # other systems with the same score
    second: str  # the best of those with a lower score; "" where there is none
    lead: float
    p: float  # of the lead, by paired randomisation, after Holm over all pairs of systems
    testable: bool  # whether enough queries are scored for any lead to be significant

    @property
    def significant(self) -> bool:
        """Whether the lead is significant; never where others have the same score."""
        return self.testable and not self.level and self.p < ALPHA


@dataclass(frozen=True)
class Kept:
    """A system's score OUT as a share of its score IN, over the queries that have both; NaN bounds for too few."""

    share: float  # NaN where the score IN is 0
    low: float
    high: float
    queries: int


def leader(outcomes: pd.DataFrame) -> Leader | None:
    """The best system by score; of equal ones the first in the order of the table of systems.

    `outcomes`: rows of `OUTCOMES` of one landscape. All pairs of systems are compared, since the best of several is
    best by luck too. None where no test query is scored.
    """
    scored = wide(tested(outcomes))
    if scored.empty:
        return None
    names, table = named(scored), scored.to_numpy(dtype=float)
    means = table.mean(axis=0)
    order = sorted(range(len(names)), key=lambda place: -means[place])
    best = next(place for place in range(len(names)) if means[place] > means[order[0]] - _SAME)
    lower = [place for place in order if means[place] <= means[best] - _SAME]
    level = tuple(name for place, name in enumerate(names) if place != best and place not in lower)
    pairs = list(itertools.combinations(range(len(names)), 2))
    compared = compare_ratios(table, np.ones_like(table), pairs, RESAMPLES, 0, intervals=False)
    adjusted = dict(zip(pairs, holm(np.array([one.p for one in compared])).tolist(), strict=True)) if pairs else {}
    second = lower[0] if lower else None
    return Leader(
        system=names[best], score=float(means[best]), queries=len(table), level=level,
        second="" if second is None else names[second],
        lead=0.0 if second is None else float(means[best] - means[second]),
        p=1.0 if second is None else adjusted[min(best, second), max(best, second)],
        # The least p-value of n signs is 2 ** (1 - n), and Holm multiplies the least by how many there are.
        testable=len(pairs) * 2.0 ** (1 - len(table)) < ALPHA,
    )  # fmt: skip


def kept(outcomes: pd.DataFrame, system: str) -> Kept | None:
    """The share of its score that a system keeps OUT; None where no test query has relevant families of both kinds."""
    rows = tested(outcomes)
    inside, outside = (wide(rows, scope) for scope in ("in-paired", "out-paired"))
    if system not in inside:
        return None
    both = pd.concat([inside[system], outside[system]], axis=1, join="inner").to_numpy(dtype=float)
    if not both[:, 0].any():
        return Kept(math.nan, math.nan, math.nan, len(both))
    loss, low, high = lost(both, RESAMPLES, 0)
    return Kept(1 - loss, 1 - high, 1 - low, len(both))
