"""The page of a comparison of two cells, and the lines that the command prints."""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.files import write_text
from patent_embeddings.core.params import Params
from patent_embeddings.corpus.entries import landscape_entry
from patent_embeddings.grid.cell import flat, full_name
from patent_embeddings.handover.sheets import Sheet
from patent_embeddings.pages.comparison import wins_table
from patent_embeddings.pages.comparison.cells import AT_HAND, Compared, opened
from patent_embeddings.pages.comparison.common_ground import Ground, grounds
from patent_embeddings.pages.failures.data import Subject, as_data
from patent_embeddings.pages.failures.queries import wide
from patent_embeddings.pages.shell import packed, render

_LONGEST = 100  # letters of a cell's name in the name of a file


def compare(first: str, second: str, at_hand: Params, landscape: str | None = None) -> list[str]:
    """Write the page of two cells, each an experiment, a commit or `workspace`, and return the lines to print.

    `at_hand` are the parameters of the workspace; `landscape` is the only one to compare on. Raises UserError where
    they cannot be compared, or an output is absent.
    """
    with opened(first, second, at_hand) as cells:
        found, left_out = grounds(cells, landscape)
        rows, names = wins_table.rows(found), (cells[0].name, cells[1].name)
        path = page_of(*names)
        write_text(path, page(cells, found, left_out, rows))
    return [*wins_table.lines(rows, names), *left_out, *_unshared(found), f"page: {path}"]


def page_of(first: str, second: str) -> Path:
    """The file of the page of two cells."""
    parts = (re.sub(r"[^\w.@-]+", "_", name)[:_LONGEST] for name in (first, second))
    return layout.comparison_page("-".join(parts))


def page(cells: tuple[Compared, Compared], found: list[Ground], left_out: list[str], rows: list[wins_table.Row]) -> str:
    """The page as HTML."""
    names = (cells[0].name, cells[1].name)
    places = ", ".join(layout.outcomes(ground.landscape).as_posix() for ground in found)
    source = f"{places} of {_said(cells[0])} and {_said(cells[1])}"
    subjects = [_subject(cells, ground) for ground in found]
    return render(
        "comparison.html.j2",
        charts={},
        names=names,
        answer=wins_table.answer(rows, names),
        facts=[(cell.name, _said(cell)) for cell in cells],
        differ=differing(cells),
        simulated=[ground.landscape for ground in found if landscape_entry(ground.landscape).simulated],
        left_out=[*left_out, *_unshared(found)],
        won=dataclasses.replace(wins_table.sheet(rows, names), source=source),
        failures=packed(as_data(subjects, names, source)),
    )


def differing(cells: tuple[Compared, Compared]) -> Sheet | None:
    """Parameters in which the cells differ, with both values; None where they differ in none."""
    first, second = (flat(cell.params.model_dump(mode="json")) for cell in cells)
    rows = [[key, str(value), str(second[key])] for key, value in first.items() if second[key] != value]
    return Sheet(["parameter", *(cell.name for cell in cells)], rows, texts=3) if rows else None


def _subject(cells: tuple[Compared, Compared], ground: Ground) -> Subject:
    """The shared queries with the best system of each cell; texts are those of the first cell's views."""
    leaders = wins_table.leaders(ground)
    columns: dict[str, Any] = {}
    runs = {}
    for cell, rows, system in zip(cells, ground.outcomes, leaders, strict=True):
        columns[cell.name] = wide(rows)[system]
        runs[cell.name] = partial(cell.source.run, ground.landscape, system)
    first, second = cells
    outcomes = pd.DataFrame(columns)
    return Subject(ground.landscape, first.source, first.params, outcomes, runs, (first.name, second.name))


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
