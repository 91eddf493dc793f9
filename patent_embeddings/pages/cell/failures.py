"""What failed in a cell: the data of its queries, and the table of who won and lost."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

from patent_embeddings.core import layout
from patent_embeddings.handover.sheets import Sheet
from patent_embeddings.pages.cell.results import CellResults
from patent_embeddings.pages.cell.source import source
from patent_embeddings.pages.failures import won as tables
from patent_embeddings.pages.failures.data import Subject, as_data, best, named
from patent_embeddings.pages.failures.queries import tested, wide
from patent_embeddings.pages.failures.source import WORKSPACE


def failures(cell: CellResults) -> dict[str, Any] | None:
    """The data of `failures.html.j2`, read from the tables of the workspace; None where there is no test query.

    Raises UserError where a table is absent or damaged.
    """
    asked = [(one.name, wide(tested(one.outcomes))) for one in cell.landscapes if len(one.asked)]
    if not asked:
        return None
    subjects = []
    for name, outcomes in asked:
        runs = {system: partial(WORKSPACE.run, name, system) for system in named(outcomes)}
        subjects.append(Subject(name, WORKSPACE, cell.params, outcomes, runs, (best(outcomes),)))
    return as_data(subjects, ("bm25", "dense"))


def won(cell: CellResults) -> Sheet | None:
    """Which system won how many test queries from which; None where there is none."""
    found = tables.systems((landscape.name, tested(landscape.outcomes)) for landscape in cell.landscapes)
    return found and dataclasses.replace(found, source=source(cell, layout.outcomes))
