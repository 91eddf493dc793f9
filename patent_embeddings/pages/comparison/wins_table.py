"""The table of a comparison of two cells: scores, wins and tests by landscape, scope and system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from patent_embeddings.core.columns import aligned
from patent_embeddings.evaluation.sign_test import EVEN, Wins, wins
from patent_embeddings.evaluation.statistics import Comparison, compare
from patent_embeddings.grid.intervals import ALPHA, RESAMPLES, honest
from patent_embeddings.handover.sheets import Score, Sheet, Shown
from patent_embeddings.pages.comparison.common_ground import Ground
from patent_embeddings.pages.failures.data import METRIC, best
from patent_embeddings.pages.failures.queries import SCOPES, wide


@dataclass(frozen=True)
class Row:
    """The second cell against the first, on a landscape and scope, each by one system."""

    landscape: str
    scope: str
    systems: tuple[str, str]
    leading: bool  # whether these are the best systems of the cells
    means: tuple[float, float]
    wins: Wins
    result: Comparison

    @property
    def system(self) -> str:
        """The system; for the best of each cell both, in the order of the cells, where they differ."""
        named = ", ".join(dict.fromkeys(self.systems))
        return f"best of each: {named}" if self.leading else named


def rows(grounds: Sequence[Ground]) -> list[Row]:
    """Every system in every scope, then the best of each cell, which is chosen over all relevant families."""
    return [row for ground in grounds for scope in SCOPES for row in _rows(ground, scope)]


def leaders(ground: Ground) -> tuple[str, str]:
    """The system of each cell whose mean over the shared queries is the highest."""
    first, second = (best(wide(part)) for part in ground.outcomes)
    return first, second


def _rows(ground: Ground, scope: str) -> Iterator[Row]:
    first, second = (wide(part, scope) for part in ground.outcomes)
    if first.empty or second.empty:
        return
    pairs = [(name, name, False) for name in ground.systems]
    for one, other, leading in [*pairs, (*leaders(ground), True)]:
        a, b = first[one].to_numpy(dtype=np.float64), second[other].to_numpy(dtype=np.float64)
        result = honest(compare(b, a, RESAMPLES, 0))
        yield Row(ground.landscape, scope, (one, other), leading, (a.mean(), b.mean()), wins(b, a), result)


def answer(found: Sequence[Row], names: tuple[str, str]) -> list[str]:
    """A sentence for each landscape: the best system of each cell over all relevant families."""
    sentences = []
    for row in found:
        if row.leading and row.scope == "all":
            one, other = (f"{name} ({system})" for name, system in zip(names, row.systems, strict=True))
            change = row.result.difference
            against = f"{abs(change):.3f} {'above' if change > 0 else 'below'}" if abs(change) > EVEN else "equal to"
            sure = f"{'significant' if row.result.p < ALPHA else 'not significant'}, p = {row.result.p:.2g}"
            sentences.append(
                f"On {row.landscape}, {other} has {METRIC} {row.means[1]:.3f}, {against} {one}; {sure}. It is better "
                f"on {row.wins.won}, worse on {row.wins.lost} and equal on {row.wins.tied} of {row.wins.n} test queries"
            )
    return sentences


def sheet(found: Sequence[Row], names: tuple[str, str]) -> Sheet:
    """The rows as a table; A and B are the cells of these names."""
    head = ["landscape", "relevant", "system", "n", "A", "B", "B won", "lost", "tied", "p, sign test", "B less A", "p"]
    table: list[list[Shown]] = []
    for row in found:
        numbers = [row.wins.n, *map(float, row.means), row.wins.won, row.wins.lost, row.wins.tied, row.wins.p]
        change = Score(row.result.difference, row.result.low, row.result.high)
        table.append([row.landscape, SCOPES[row.scope], row.system, *numbers, change, row.result.p])
    caption = (
        f"Mean {METRIC} over the n test queries that both cells have. A: {names[0]}. B: {names[1]}. B less A has a "
        "95 % bootstrap interval (where all queries are tied, what so few queries cannot exclude) and p of the paired "
        "randomisation test; the sign test is two-sided and exact, without ties. No p is adjusted for the number of "
        "rows, and the best system of each cell is chosen on these queries"
    )
    return Sheet(head, table, caption, texts=3)


def lines(found: Sequence[Row], names: tuple[str, str]) -> list[str]:
    """The rows over all relevant families as lines for a terminal; A and B are the cells of these names."""
    table = [["landscape", "system", "A", "B", "B less A", "95 % interval", "B won", "lost", "tied", "p"]]
    for row in found:
        if row.scope == "all":
            low, high = row.result.low, row.result.high
            between = f"{low:+.4f} to {high:+.4f}" if low == low else "none, too few"
            numbers = [*(f"{mean:.4f}" for mean in row.means), f"{row.result.difference:+.4f}", between]
            counts = [str(count) for count in (row.wins.won, row.wins.lost, row.wins.tied)]
            table.append([row.landscape, row.system, *numbers, *counts, f"{row.result.p:.2g}"])
    return [f"{METRIC} of the test queries of both; A: {names[0]}, B: {names[1]}", *aligned(table, right=range(2, 10))]
