"""What others measured beside what a cell measures: published figures, and the expected scores of a model's entry.

Others score every query; the mean here is over all of them, dev, test and train together, where the cell's own
scores are over the test queries.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import pandas as pd

from patent_embeddings.core import layout, tables
from patent_embeddings.core.params import Params
from patent_embeddings.evaluation import published
from patent_embeddings.evaluation.schemas import OUTCOMES
from patent_embeddings.evaluation.scores import records
from patent_embeddings.evaluation.systems import LEADING

TOLERANCE = 0.02  # relative difference up to which an expected score counts as reproduced
CAUSES = "usual causes: prompts, read-out, tokens kept, padding side, precision, another pool or other judgements"


class Expected(Protocol):
    """A score that others measured over all queries of a landscape, as a model's entry has it."""

    landscape: str
    view: str
    length: int
    metric: str
    value: float
    source: str

    @property
    def scope(self) -> str:
        """Of retrieval."""


def beside(params: Params, landscape: str, *, trained: bool) -> pd.DataFrame:
    """Published figures that a cell can be held against on a landscape, and what it measures.

    A figure of a model as published matches zero-shot cells with whole vectors; one of BM25 matches every recipe.
    Queries and documents must be of one view.

    Returns columns of `published.figures` and `ours` (float64, over all queries; NaN where not measured). Raises
    UserError: a published table or the outcomes are broken or absent.
    """
    found = published.beside(landscape, params.model, params.query_view)
    if params.query_view != params.document_view:
        found = found.head(0)
    elif params.embed.length or not _as_published(params, trained):
        found = found[found["system"] == "bm25"]
    measured = _measured(landscape) if len(found) else {}
    keys = zip(found["system"], found["scope"], found["metric"], strict=True)
    return found.assign(ours=np.array([measured.get(key, np.nan) for key in keys], dtype=np.float64))


def calibration(params: Params, expected: Iterable[Expected], *, trained: bool, length: int) -> list[str]:
    """A line for each expected score that a cell measures: OK, or by how much it is off.

    `expected` are scores of its model's entry, `length` tokens that are kept of a text. Raises UserError: the outcomes
    are broken or absent.
    """
    if params.query_view != params.document_view or not _as_published(params, trained):
        return []
    lines = []
    for one in expected:
        if one.landscape not in params.evaluate_on or (one.view, one.length) != (params.query_view, length):
            continue
        ours = _measured(one.landscape).get((LEADING["retrieval"][0], one.scope, one.metric))
        what = f"calibration: {params.model} on {one.landscape}, {one.metric} {one.scope}"
        if ours is None:
            lines.append(f"{what}: not measured, expected {one.value:.4f}")
            continue
        off = ours / one.value - 1
        verdict = "OK" if abs(off) <= TOLERANCE else f"off by {off:+.1%}; {CAUSES}"
        lines.append(f"{what}: {ours:.4f}, expected {one.value:.4f} ({one.source}): {verdict}")
    return lines


def _as_published(params: Params, trained: bool) -> bool:
    """Whether the dense run is the model's alone: whole vectors, not trained or centred, all families ranked."""
    search = params.search
    changed = search.dimensions or search.centre != "none" or params.embed.passages.tokens
    return not (trained or changed or params.tasks.pool != "all")


def _measured(landscape: str) -> dict[tuple[str, str, str], float]:
    """Mean over all queries of each system, scope and metric of retrieval."""
    outcomes = tables.read(layout.outcomes(landscape), OUTCOMES, only=("task", "retrieval"))
    means = outcomes.groupby(["system", "scope", "metric"])[["value"]].mean().reset_index()
    return {(row["system"], row["scope"], row["metric"]): row["value"] for row in records(means)}
