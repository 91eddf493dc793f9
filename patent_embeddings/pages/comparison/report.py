"""The comparison of two cells: scores, wins and tests by landscape, scope and system, as lines and as a page."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.files import write_text
from patent_embeddings.core.params import Params
from patent_embeddings.core.progress import aligned
from patent_embeddings.corpus.entries import landscape_entry
from patent_embeddings.encoders.entries import model_entry
from patent_embeddings.evaluation.statistics import EVEN, Comparison, Wins, wins
from patent_embeddings.evaluation.statistics import compare as tested
from patent_embeddings.grid.cell import full_name
from patent_embeddings.grid.intervals import ALPHA, RESAMPLES, honest
from patent_embeddings.grid.keys import flat
from patent_embeddings.handover.sheets import Score, Sheet, Shown
from patent_embeddings.pages.comparison.cells import AT_HAND, Compared, Ground, grounds, opened
from patent_embeddings.pages.failures.data import Subject, as_data
from patent_embeddings.pages.failures.queries import METRIC, SCOPES, best, wide
from patent_embeddings.pages.shell import packed, render

_LONGEST = 100  # letters of a cell's name in the name of a file


def compare(first: str, second: str, at_hand: Params, landscape: str | None = None) -> list[str]:
    """Write the page of two cells, each an experiment, a commit or `workspace`, and return the lines to print.

    `at_hand` are the parameters of the workspace; `landscape` is the only one to compare on. Raises UserError where
    they cannot be compared, or an output is absent.
    """
    with opened(first, second, at_hand) as cells:
        found, left_out = grounds(cells, landscape)
        rows, names = rows_of(found), (cells[0].name, cells[1].name)
        path = page_of(*names)
        write_text(path, page(cells, found, left_out, rows))
    return [*lines(rows, names), *left_out, *_unshared(found), f"page: {path}"]


def page_of(first: str, second: str) -> Path:
    """The file of the page of two cells."""
    parts = (re.sub(r"[^\w.@-]+", "_", name)[:_LONGEST] for name in (first, second))
    return layout.comparison_page("-".join(parts))


def page(cells: tuple[Compared, Compared], found: list[Ground], left_out: list[str], rows: list[Row]) -> str:
    """The page as HTML."""
    names = (cells[0].name, cells[1].name)
    places = ", ".join(layout.outcomes(ground.landscape).as_posix() for ground in found)
    source = f"{places} of {_said(cells[0])} and {_said(cells[1])}"
    subjects = [_subject(cells, ground) for ground in found]
    return render(
        "comparison.html.j2",
        charts={},
        names=names,
        answer=answer(rows, names),
        facts=[(cell.name, _said(cell)) for cell in cells],
        differ=differing(cells),
        simulated=[ground.landscape for ground in found if landscape_entry(ground.landscape).simulated],
        left_out=[*left_out, *_unshared(found)],
        won=dataclasses.replace(sheet(rows, names), source=source),
        failures=packed(as_data(subjects, names, source)),
    )


def differing(cells: tuple[Compared, Compared]) -> Sheet | None:
    """Parameters in which the cells differ, with both values; None where they differ in none."""
    first, second = (flat(cell.params.model_dump(mode="json")) for cell in cells)
    rows = [[key, str(value), str(second[key])] for key, value in first.items() if second[key] != value]
    return Sheet(["parameter", *(cell.name for cell in cells)], rows, texts=3) if rows else None


def _subject(cells: tuple[Compared, Compared], ground: Ground) -> Subject:
    """The shared queries with the best system of each cell; texts are those of the first cell's views."""
    columns: dict[str, Any] = {}
    runs = {}
    for cell, rows, system in zip(cells, ground.outcomes, leaders(ground), strict=True):
        columns[cell.name] = wide(rows)[system]
        runs[cell.name] = partial(cell.source.run, ground.landscape, system)
    first, second = cells
    outcomes = pd.DataFrame(columns)
    tokens, names = model_entry(first.params.model).query_length, (first.name, second.name)
    return Subject(ground.landscape, first.source, first.params, tokens, outcomes, runs, names)


def _said(cell: Compared) -> str:
    where = "the workspace" if cell.name == AT_HAND else f"commit {cell.commit[:7]}"
    return f"{full_name(cell.params)} ({where})"


def _unshared(found: list[Ground]) -> list[str]:
    """A line for each landscape with test queries that only one of the cells has."""
    return [
        f"{one.landscape}: {one.unshared:,} test queries of only one of the cells are left out"
        for one in found
        if one.unshared
    ]


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


def rows_of(grounds: Sequence[Ground]) -> list[Row]:
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
        result = honest(tested(b, a, RESAMPLES, 0))
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
