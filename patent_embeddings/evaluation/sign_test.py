"""Wins, losses and ties of two systems on the same queries, with the sign test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from patent_embeddings.core.arrays import Doubles

EVEN = 1e-9  # closer outcomes are ties: sums of the same gains in another order differ in their last bits


@dataclass(frozen=True)
class Wins:
    """Queries that the first of two systems won, lost and tied, the p-value, and the mean difference."""

    won: int
    lost: int
    tied: int
    p: float
    difference: float

    @property
    def n(self) -> int:
        """Queries compared."""
        return self.won + self.lost + self.tied


def wins(first: Doubles, second: Doubles) -> Wins:
    """Count the queries on which the first of two systems is better, worse, and equal.

    Outcomes [queries] have the same order, and higher is better. The p-value is that of the exact two-sided sign test
    (Conover 1999, section 3.4), which ignores ties; it is 1 where all are ties. Raises ValueError: the shapes differ or
    there are no queries.
    """
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"paired outcomes must be two equal, filled vectors, not {first.shape} and {second.shape}")
    change = first - second
    won, lost = int((change > EVEN).sum()), int((change < -EVEN).sum())
    p = float(stats.binomtest(won, won + lost).pvalue) if won + lost else 1.0
    return Wins(won, lost, len(change) - won - lost, p, float(np.mean(change)))
