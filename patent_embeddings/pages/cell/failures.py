"""Query by query: the data of the query browser, and the table of wins and losses between systems."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

from patent_embeddings.core import layout
from patent_embeddings.evaluation.sign_test import wins
from patent_embeddings.handover.sheets import Sheet, Shown
from patent_embeddings.pages.cell.results import CellResults
from patent_embeddings.pages.failures.data import METRIC, Subject, as_data, best, named
from patent_embeddings.pages.failures.queries import SCOPES, tested, wide
from patent_embeddings.pages.failures.source import WORKSPACE


def failures(cell: CellResults) -> dict[str, Any] | None:
    """The data of `failures.html.j2`, read from the workspace; None without a scored test query.

    Raises UserError where a table is absent or damaged.
    """
    asked = [(one.name, wide(tested(one.outcomes))) for one in cell.landscapes if len(one.asked)]
    if not asked:
        return None
    subjects = []
    for name, outcomes in asked:
        runs = {system: partial(WORKSPACE.run, name, system) for system in named(outcomes)}
        subjects.append(Subject(name, WORKSPACE, cell.params, outcomes, runs, (best(outcomes),)))
    return as_data(subjects, ("bm25", "dense"), cell.source(layout.outcomes))


def won(cell: CellResults) -> Sheet | None:
    """Wins of every system against each one before it, by landscape and scope; None without a scored test query."""
    rows: list[list[Shown]] = []
    for landscape in cell.landscapes:
        outcomes = tested(landscape.outcomes)
        for scope, said in SCOPES.items():
            table = wide(outcomes, scope)
            for second, first in itertools.combinations(named(table), 2):
                found = wins(table[first].to_numpy(), table[second].to_numpy())
                counts = [found.n, found.won, found.lost, found.tied]
                rows.append([landscape.name, said, first, second, *counts, found.difference, found.p])
    if not rows:
        return None
    head = ["landscape", "relevant", "system", "against", "n", "won", "lost", "tied", "mean difference", "p"]
    caption = (
        f"Test queries on which a system has a higher, lower or equal {METRIC} than another; p of the two-sided exact "
        "sign test without ties, not adjusted for the number of pairs"
    )
    return Sheet(head, rows, caption, texts=4, source=cell.source(layout.outcomes))
