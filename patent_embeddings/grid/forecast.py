"""Forecast of the time and disk space that cells not yet computed should take.

Times are those of finished cells, or else a cell's tokens at the speed of models of its size on this device.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean, median
from typing import Annotated, Literal

import pyarrow.parquet as pq
from pydantic import Field

from patent_embeddings.core import layout, registry, tables
from patent_embeddings.core.entries import Entry
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.params import Params
from patent_embeddings.corpus.schemas import LENGTHS
from patent_embeddings.encoders import devices, prompts
from patent_embeddings.encoders.entries import Model, model_entry
from patent_embeddings.grid import gather, keys
from patent_embeddings.grid.cell import ZERO_SHOT, Cell
from patent_embeddings.grid.experiments import Experiment
from patent_embeddings.pairs.drawing import DEV_BATCHES
from patent_embeddings.pairs.entries import recipe_entry
from patent_embeddings.training import memory

Kind = tuple[str, bool, tuple[str, ...]]  # model, whether it is tuned, where it is scored
Device = Literal["processor", "gpu"]
Positive = Annotated[float, Field(gt=0)]
SAME = 1.1  # ratio of parameters up to which two models are of one size


class Speed(Entry):
    """Tokens a second of models of one size on one core of a processor, or on one GPU."""

    device: Device
    parameters: Positive  # millions
    encoding: Positive
    training: Positive
    known: Literal["measured", "sum"]
    source: str


def forecast(cells: Sequence[Cell], known: Iterable[Experiment], free: float | None = None) -> list[str]:
    """Lines on the time and disk space that cells should take, and on how that is known.

    Times are those of finished cells of the same kind (`known`): the same model, fine-tuned or not, scored on the same
    landscapes. Cells of other kinds are estimated (`estimate`). Both are upper bounds, since DVC does not run a stage
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
        if (one := estimate(cell)) is None:
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
            each = tokens(name, params.document_view, model, params.embed.length) if late else 1
            sizes[key] = 4.0 * (families(name) or 0) * each * model.dimension
    return sum(sizes.values())


def _words(seconds: float) -> str:
    """A time in words: in minutes, or in hours from two hours on."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes / 60:.1f} hours" if minutes >= 120 else f"{minutes} minute{'s' * (minutes != 1)}"


def device() -> tuple[Device, int]:
    """The device that would compute here and how many of it a cell uses: one GPU, or all cores of this process."""
    return ("gpu", 1) if devices.planned().kind == "cuda" else ("processor", len(os.sched_getaffinity(0)))


def like(parameters: float, kind: Device) -> tuple[Speed, float]:
    """The row of `registry/speeds.yaml` nearest in size, and the speed of our model relative to it."""
    rows = [one for one in registry.every("speeds", Speed).values() if one.device == kind]
    row = min(rows, key=lambda one: abs(math.log(one.parameters / parameters)))
    least = min(one.parameters for one in rows)
    return row, row.parameters / max(parameters, least)


def estimate(cell: Cell) -> tuple[float, str] | None:
    """Seconds that embedding and training should take here, and how that is known; None where its texts are not here.

    Forward passes of training without a step run at the speed of encoding.
    """
    params, model = cell.params, model_entry(cell.params.model)
    if any(families(name) is None for name in params.evaluate_on):
        return None
    stepped, passed = tuned(params, model)
    kind, count = device()
    row, ratio = like(model.parameters, kind)
    seconds = ((encoded(params, model) + passed) / row.encoding + stepped / row.training) / (ratio * count)
    same = 1 / SAME <= model.parameters / row.parameters <= SAME
    basis = {"measured": "as measured", "sum": "by a sum of operations"}[row.known]
    scaled = "" if same else f", scaled from {row.parameters:,.4g} million parameters"
    return seconds, f"{basis}{scaled}"


def encoded(params: Params, model: Model) -> float:
    """Tokens of a cell's documents and queries, once for each prompt and view; passages are not counted."""
    own = [(params.document_view, prompts.prompt(model.prompts, side)) for side in prompts.own(model)]
    documents = {(params.document_view, model.prompts.document), *own}
    queries = {(params.query_view, model.prompts.query)} - documents  # else their vectors are those of documents
    total = 0.0
    for name in params.evaluate_on:
        for sides, texts in ((documents, families(name)), (queries, _queries(name))):
            total += (texts or 0) * sum(tokens(name, view, model, params.embed.length) for view, _ in sides)
    return total


def tuned(params: Params, model: Model) -> tuple[float, float]:
    """Tokens of a cell's training steps, and tokens that only pass forward through the model.

    The latter are the dev pairs at every evaluation, the texts among which hard negatives are mined, and the texts of
    every step once more where the loss is cached.
    """
    recipe, how = recipe_entry(params.recipe), params.finetune
    names = params.trained_on(recipe)
    if not names:
        return 0.0, 0.0
    text = fmean(tokens(name, params.document_view, model, how.length) for name in names)
    mined = recipe.hard_negatives
    each = how.batch * (2 + (mined.each if mined else 0))
    stepped = how.steps * each * text
    held = sum(families(name) or 0 for name in names)
    evaluations = 1 + how.steps // max(1, how.steps // how.evaluations)
    # Of ten families one is a dev family, and seven are of the train split.
    passed = evaluations * 2 * text * min(DEV_BATCHES * how.batch, held / 10)
    if mined:
        passed += text * (0.7 * held + 2 * how.pairs)
    # Texts are padded to the longest of their batch.
    if each * how.length > memory.kept(model.memory, on_gpu=device()[0] == "gpu"):
        passed += stepped
    return stepped, passed


def _queries(landscape: str) -> int | None:
    """Number of queries; before the split is made, that of families, which is the most there can be."""
    path = layout.task(landscape, "queries")
    return pq.read_metadata(path).num_rows if path.exists() else families(landscape)


def families(landscape: str) -> int | None:
    """Number of families of a landscape, None where it is not here."""
    path = layout.families(landscape)
    return pq.read_metadata(path).num_rows if path.exists() else None


def tokens(landscape: str, view: str, model: Model, asked: int | None) -> float:
    """Tokens kept of a text: the measured median of the view, whichever the tokenizer, but no more than the model's."""
    kept, path = model.kept(asked), layout.lengths(landscape)
    if not path.exists():
        return kept
    lengths = tables.read(path, LENGTHS)
    median = lengths[(lengths["view"] == view) & (lengths["statistic"] == "median-tokens")]["value"]
    return min(float(kept), *median) if len(median) else kept
