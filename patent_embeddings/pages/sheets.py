"""Tables of the cell's and the grid's page by name, for export."""

from __future__ import annotations

from functools import partial

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


def sheet(name: str, params: Params) -> Sheet:
    """A table of the page of the workspace's cell, or `grid-...` of the grid's page.

    Raises UserError where no table has this name, nothing was measured for it, or its source is absent.
    """
    makers = {one: partial(_of_cell, one, params) for one in SHEETS} | {
        "grid-recommended": lambda: grid.recommended(every(_grid(params))[0]),
        "grid-cells": lambda: grid.cells((found := _grid(params)), _tested(found)),
        "grid-comparisons": lambda: grid.comparisons(_tested(_grid(params))),
        "grid-costs": lambda: grid.costs(_grid(params).costs),
    }
    if name not in makers:
        raise UserError(f"no table {name!r}{nearest(name, list(makers))}; tables: {', '.join(makers)}")
    shown = makers[name]()
    if shown is None:
        raise UserError(f"table {name!r}: nothing was measured for it")
    return shown


def _of_cell(name: str, params: Params) -> Sheet | None:
    return SHEETS[name](cell_results(keys.report(params)))


def _grid(params: Params) -> gather.Grid:
    return gather.load(experiments.current(), params)


def _tested(found: gather.Grid) -> list[comparisons.Tested]:
    return comparisons.declared(found.outcomes, registry.every("hypotheses", Hypotheses))
