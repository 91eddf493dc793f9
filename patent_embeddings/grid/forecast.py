"""What cells that are still to be computed should take: time as in cells like them, and disk for their vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

import pyarrow.parquet as pq

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders.entries import model_entry
from patent_embeddings.grid import gather
from patent_embeddings.grid.cell import ZERO_SHOT, Cell
from patent_embeddings.grid.experiments import Experiment

Kind = tuple[str, bool, tuple[str, ...]]  # model, whether it is tuned, where it is scored


def forecast(cells: Sequence[Cell], known: Iterable[Experiment]) -> list[str]:
    """Lines on the time and disk that cells should take, from the costs of finished ones of the same kind.

    Of a kind is what has the same model, is tuned or not, and is scored on the same landscapes. A stage that a cell
    shares with a finished one is not run again, so the time is what it takes at most.
    """
    wanted = [_kind(cell.params.model, cell.params.recipe, cell.params.evaluate_on) for cell in cells]
    taken: dict[Kind, list[float]] = {}
    for one in known:
        kind = _kind(one.params.model, one.params.recipe, one.params.evaluate_on)
        if kind in wanted:
            try:
                taken.setdefault(kind, []).append(gather.seconds(one))
            except UserError:  # its costs are not here; others may be
                continue
    measured = [median(taken[kind]) for kind in wanted if taken.get(kind)]
    lines = []
    if measured:
        unknown = "; the others are the first of their kind" if len(measured) < len(cells) else ""
        time = f"at most {_words(sum(measured))} one after the other"
        lines.append(f"{len(measured)} of {len(cells)} cells should take {time}{unknown}")
    else:
        lines.append(f"no cell like these {len(cells)} was computed yet, so nothing says how long they take")
    if (size := sum(_vectors(cell) for cell in cells)) > 0:
        lines.append(f"their vectors take about {size / 1e9:.2g} GB of DVC's cache")
    return lines


def _kind(model: str, recipe: str, landscapes: Sequence[str]) -> Kind:
    return model, recipe != ZERO_SHOT, tuple(sorted(landscapes))


def _vectors(cell: Cell) -> float:
    """Bytes of a cell's document vectors, of the landscapes that are here; passages and tokens are not counted."""
    paths = [layout.families(name) for name in cell.params.evaluate_on]
    families = sum(pq.read_metadata(path).num_rows for path in paths if path.exists())
    return 4.0 * families * model_entry(cell.params.model).dimension


def _words(seconds: float) -> str:
    """A time in words: minutes, or hours from two on."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes / 60:.1f} hours" if minutes >= 120 else f"{minutes} minute{'s' * (minutes != 1)}"
