"""How long a cell of a kind that was never computed should take: its tokens, at the speed of its size and device."""

from __future__ import annotations

import math
import os
from typing import Annotated, Literal

import pyarrow.parquet as pq
from pydantic import Field

from patent_embeddings.core import gpus, layout, registry, tables
from patent_embeddings.core.entries import Entry
from patent_embeddings.corpus.schemas import LENGTHS
from patent_embeddings.encoders.entries import Model, model_entry
from patent_embeddings.grid.cell import ZERO_SHOT, Cell

Device = Literal["processor", "gpu"]
Positive = Annotated[float, Field(gt=0)]
SAME = 1.1  # ratio of parameters up to which two models are of one size


class Speed(Entry):
    """Tokens a second of models of one size on one device: of a processor's core, or a GPU."""

    device: Device
    parameters: Positive  # millions
    encoding: Positive
    training: Positive
    known: Literal["measured", "sum"]
    source: str


def device() -> tuple[Device, int]:
    """What would compute here, and how many of them one cell uses: a GPU, or all processors of this process."""
    return ("gpu", 1) if gpus.visible() else ("processor", len(os.sched_getaffinity(0)))


def nearest(parameters: float, kind: Device) -> tuple[Speed, float]:
    """The row of `registry/speeds.yaml` whose size is nearest, and how many times as fast a model of ours is."""
    rows = [one for one in registry.every("speeds", Speed).values() if one.device == kind]
    row = min(rows, key=lambda one: abs(math.log(one.parameters / parameters)))
    least = min(one.parameters for one in rows)
    return row, row.parameters / max(parameters, least)


def estimate(cell: Cell) -> tuple[float, str] | None:
    """Seconds that embedding and training a cell should take here, and what that rests on; None: its texts are unknown.

    A family counts once a view: queries with a prompt of their own come on top, as do mined negatives and dev pairs.
    """
    params, model = cell.params, model_entry(cell.params.model)
    encoded = 0.0
    for name in params.evaluate_on:
        count = families(name)
        if count is None:
            return None
        views = {params.document_view, params.query_view}
        encoded += count * sum(tokens(name, view, model, params.embed.length) for view in views)
    trained = 0.0
    if params.recipe != ZERO_SHOT:
        text = min(params.finetune.length, tokens(params.landscape, params.document_view, model, params.embed.length))
        trained = 2.0 * params.finetune.steps * params.finetune.batch * text
    kind, count = device()
    row, ratio = nearest(model.parameters, kind)
    seconds = (encoded / row.encoding + trained / row.training) / (ratio * count)
    same = 1 / SAME <= model.parameters / row.parameters <= SAME
    basis = {"measured": "as measured", "sum": "by a sum of operations"}[row.known]
    scaled = "" if same else f", scaled from {row.parameters:,.4g} million parameters"
    return seconds, f"{basis}{scaled}"


def families(landscape: str) -> int | None:
    """How many families a landscape has, None where it is not here."""
    path = layout.families(landscape)
    return pq.read_metadata(path).num_rows if path.exists() else None


def tokens(landscape: str, view: str, model: Model, asked: int | None) -> float:
    """Tokens that are kept of a text: the median of the view where it was measured, under whichever tokenizer."""
    kept, path = model.kept(asked), layout.lengths(landscape)
    if not path.exists():
        return kept
    found = tables.read(path, LENGTHS)
    median = found[(found["view"] == view) & (found["statistic"] == "median-tokens")]["value"]
    return min(float(kept), *median) if len(median) else kept
