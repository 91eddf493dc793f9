"""Tables of the cell's and the grid's page by name, for export."""

from __future__ import annotations

from collections.abc import Callable

from patent_embeddings.core import registry
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.core.params import Params
from patent_embeddings.grid import comparisons, experiments, gather, keys
from patent_embeddings.grid.entries import Hypotheses
from patent_embeddings.grid.recommendation import every
from patent_embeddings.handover.sheets import Sheet
from patent_embeddings.pages.cell.page import SHEETS
from patent_embeddings.pages.cell.report import gather as cell_results
from patent_embeddings.pages.grid import page as grid

OF_GRID: dict[str, Callable[[gather.Grid], Sheet | None]] = {
    "grid-recommended": lambda found: grid.recommended(every(found)[0]),
    "grid-cells": lambda found: grid.cells(found, _tested(found)),
    "grid-comparisons": lambda found: grid.comparisons(_tested(found)),
    "grid-costs": lambda found: grid.costs(found.costs),
}


def sheet(name: str, params: Params) -> Sheet:
    """A table of the page of the workspace's cell, or `grid-...` of the grid's page.

    Raises UserError where no table has this name, nothing was measured for it, or its source is absent.
    """
    if name in SHEETS:
        shown = SHEETS[name](cell_results(keys.report(params)))
    elif name in OF_GRID:
        shown = OF_GRID[name](gather.load(experiments.current(), params))
    else:
        known = [*SHEETS, *OF_GRID]
        raise UserError(f"no table {name!r}{nearest(name, known)}; tables: {', '.join(known)}")
    if shown is None:
        raise UserError(f"table {name!r}: nothing was measured for it")
    return shown


def _tested(found: gather.Grid) -> list[comparisons.Tested]:
    return comparisons.declared(found.outcomes, registry.every("hypotheses", Hypotheses))
