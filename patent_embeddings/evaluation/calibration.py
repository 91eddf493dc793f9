"""What others measured beside what this cell measures: published figures, and the expected scores of a model's entry.

Others score every query; the mean here is over all of them, dev, test and train together, where the cell's own
scores are over the test queries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from patent_embeddings.core import layout, tables
from patent_embeddings.evaluation import published
from patent_embeddings.evaluation.schemas import OUTCOMES
from patent_embeddings.evaluation.scores import records

if TYPE_CHECKING:
    import pandas as pd

    from patent_embeddings.core.params import Params
    from patent_embeddings.encoders.entries import Model
    from patent_embeddings.pairs.entries import Recipe

TOLERANCE = 0.02  # relative difference up to which an expected score counts as reproduced
CAUSES = "usual causes: prompts, read-out, tokens kept, padding side, precision, another pool or other judgements"


def beside(params: Params, recipe: Recipe, landscape: str) -> pd.DataFrame:
    """Published figures that this cell can be held against on a landscape, and what it measures.

    A figure of a model as published matches zero-shot cells with whole vectors; one of BM25 matches every recipe.
    Queries and documents must be of one view.

    Returns:
        Columns of `registry.figures` and `ours` (float64, over all queries; NaN where not measured).

    Raises:
        UserError: a published table or the outcomes are broken or absent.
    """

    found = published.beside(landscape, params.model, params.query_view)
    if params.query_view != params.document_view:
        found = found.head(0)
    elif params.embed.length or not _as_published(params, recipe):
        found = found[found["system"] == "bm25"]
    measured = _measured(landscape) if len(found) else {}
    keys = zip(found["system"], found["scope"], found["metric"], strict=True)
    return found.assign(ours=np.array([measured.get(key, np.nan) for key in keys], dtype=np.float64))


def _as_published(params: Params, recipe: Recipe) -> bool:
    """Whether the dense run is the model's alone: one whole vector a text, nothing trained or subtracted, all families ranked."""
    search = params.search
    changed = search.dimensions or search.centre != "none" or params.embed.passages.tokens
    return not (recipe.signals or changed or params.tasks.pool != "all")


def calibration(params: Params, model: Model, recipe: Recipe) -> list[str]:
    """A line for each expected score of the model's entry that this cell measures: OK, or by how much it is off."""
    if params.query_view != params.document_view or not _as_published(params, recipe):
        return []
    length = model.kept(params.embed.length)
    matching = [
        expected for expected in model.expected
        if expected.landscape in params.evaluate_on and expected.view == params.query_view and expected.length == length
    ]  # fmt: skip
    lines = []
    for expected in matching:
        ours = _measured(expected.landscape).get(("dense", expected.scope, expected.metric))
        what = f"calibration: {params.model} on {expected.landscape}, {expected.metric} {expected.scope}"
        if ours is None:
            lines.append(f"{what}: not measured, expected {expected.value:.4f}")
            continue
        off = ours / expected.value - 1
        verdict = "OK" if abs(off) <= TOLERANCE else f"off by {off:+.1%}; {CAUSES}"
        lines.append(f"{what}: {ours:.4f}, expected {expected.value:.4f} ({expected.source}): {verdict}")
    return lines


def _measured(landscape: str) -> dict[tuple[str, str, str], float]:
    """Mean over all queries of each system, scope and metric of retrieval."""

    outcomes = tables.read(layout.outcomes(landscape), OUTCOMES, only=("task", "retrieval"))
    means = outcomes.groupby(["system", "scope", "metric"])[["value"]].mean().reset_index()
    return {(row["system"], row["scope"], row["metric"]): row["value"] for row in records(means)}
