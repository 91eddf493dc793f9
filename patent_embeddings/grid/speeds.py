"""Estimate of the time that a cell takes: its tokens at the speed of models of its size on this device."""

from __future__ import annotations

import math
import os
from statistics import fmean
from typing import Annotated, Literal

import pyarrow.parquet as pq
from pydantic import Field

from patent_embeddings.core import layout, registry, tables
from patent_embeddings.core.entries import Entry
from patent_embeddings.core.params import Params
from patent_embeddings.corpus.schemas import LENGTHS
from patent_embeddings.encoders import devices, prompts
from patent_embeddings.encoders.entries import Model, model_entry
from patent_embeddings.grid.cell import Cell
from patent_embeddings.pairs.drawing import DEV_BATCHES
from patent_embeddings.pairs.entries import recipe_entry
from patent_embeddings.training import memory

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
    own = [(params.document_view, prompts.prompt(model.prompts, side)) for side in prompts.own(model.prompts)]
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
