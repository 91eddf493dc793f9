"""Where the numbers of a cell's page are from, in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from patent_embeddings.grid.cell import digest, full_name
from patent_embeddings.pages.cell.results import CellResults


def source(cell: CellResults, *files: Path | Callable[[str], Path]) -> str:
    """`data/scores/L.parquet of minilm-r1-L-tac-fold0 (its digest)`, for a `Sheet` or a picture.

    `files` are paths, or functions of `core.layout` that give one for each landscape of the cell.
    """
    names = [landscape.name for landscape in cell.landscapes]
    paths = [one for file in files for one in ([file] if isinstance(file, Path) else map(file, names))]
    return f"{', '.join(path.as_posix() for path in paths)} of {identity(cell)}"


def identity(cell: CellResults) -> str:
    """Name and digest of the cell, as reports/expected.csv has them."""
    return f"{full_name(cell.params, cell.recipe)} ({digest(cell.params, cell.recipe)})"
