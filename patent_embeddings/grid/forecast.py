"""Forecast of the time and disk space that cells not yet computed should take."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders.entries import model_entry
from patent_embeddings.grid import gather, keys, speeds
from patent_embeddings.grid.cell import ZERO_SHOT, Cell
from patent_embeddings.grid.experiments import Experiment

Kind = tuple[str, bool, tuple[str, ...]]  # model, whether it is tuned, where it is scored


def forecast(cells: Sequence[Cell], known: Iterable[Experiment], free: float | None = None) -> list[str]:
    """Lines on the time and disk space that cells should take, and on how that is known.

    Times are those of finished cells of the same kind (`known`): the same model, fine-tuned or not, scored on the same
    landscapes. Cells of other kinds are estimated (`speeds`). Both are upper bounds, since DVC does not run a stage
    again that a cell shares with another. `free`: bytes left on the disk of DVC's cache.
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
    others = [cell for kind, cell in zip(wanted, cells, strict=True) if not taken.get(kind)]
    lines = []
    if measured:
        time = f"at most {_words(sum(measured))} one after the other"
        lines.append(f"{len(measured)} of {len(cells)} cells should take {time}, as cells like them took")
    lines += _estimated(others, len(cells))
    if (size := _vectors(cells)) > 0:
        left = f", where {free / 1e9:,.3g} GB are free" if free is not None else ""
        lines.append(f"their vectors take about {size / 1e9:.2g} GB of DVC's cache{left}")
        if free is not None and size > free:
            lines.append("that is more than is free: make room, or move the cache with `dvc cache dir`")
    return lines


def _estimated(cells: Sequence[Cell], total: int) -> Iterator[str]:
    """Lines on cells of kinds that were never computed."""
    found: dict[str, list[tuple[str, float]]] = {}
    unknown = 0
    for cell in cells:
        if (one := speeds.estimate(cell)) is None:
            unknown += 1
        else:
            found.setdefault(one[1], []).append((cell.params.model, one[0]))
    for basis, several in found.items():
        models = ", ".join(dict.fromkeys(model for model, _ in several))
        what = f"{len(several)} of {total} cells are the first of their kind ({models})"
        time = f"embedding and training should take at most {_words(sum(seconds for _, seconds in several))}"
        yield f"{what}: {time} one after the other, {basis} ({layout.registry('speeds')})"
    if unknown:
        yield f"{unknown} of {total} cells need landscapes that are not here yet, so nothing says how long they take"


def _kind(model: str, recipe: str, landscapes: Sequence[str]) -> Kind:
    return model, recipe != ZERO_SHOT, tuple(sorted(landscapes))


def _vectors(cells: Iterable[Cell]) -> float:
    """Bytes of the document vectors of cells, those that several cells share counted once.

    Only of landscapes that are here; passages are not counted.
    """
    sizes: dict[str, float] = {}
    for params in (cell.params for cell in cells):
        model = model_entry(params.model)
        for name in params.evaluate_on:
            embedded = keys.resolved(params, "embed", name) | {"query_view": None}
            training = [keys.resolved(params, stage) for stage in ("pairs", "finetune")] + [params.tasks.model_dump()]
            key = json.dumps([params.model, name, embedded, training if embedded["trained"] else None])
            late = model.encoder == "late"
            each = speeds.tokens(name, params.document_view, model, params.embed.length) if late else 1
            sizes[key] = 4.0 * (speeds.families(name) or 0) * each * model.dimension
    return sum(sizes.values())


def _words(seconds: float) -> str:
    """A time in words: in minutes, or in hours from two hours on."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes / 60:.1f} hours" if minutes >= 120 else f"{minutes} minute{'s' * (minutes != 1)}"
