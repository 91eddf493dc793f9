"""Compare a cell with published figures, and with the scores that the entry of its model expects.

Published scores are means over all queries, so ours here are over train, dev and test queries together. The scores of
the cell itself are over its test queries.
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
CAUSES = "usual causes: prompts, pooling, length, padding side, precision, other documents or other judgements"


class Expected(Protocol):
    """A score over all queries of a landscape that others measured, from the entry of a model."""

    landscape: str
    view: str
    length: int
    metric: str
    value: float
    source: str

    @property
    def scope(self) -> str:
        """One of retrieval."""


def beside(params: Params, landscape: str, *, trained: bool) -> pd.DataFrame:
    """Published figures that are comparable with a cell on a landscape, and the cell's own values.

    None where queries and documents have different views, or where not all families are ranked for every query. The
    figures of a model are comparable with zero-shot cells that leave its vectors unchanged, those of BM25 with every
    recipe.

    Returns columns of `published.figures` and `ours` (float64, over all queries; NaN where not measured). Raises
    UserError: a published table or the outcomes are broken or absent.
    """
    found = published.beside(landscape, params.model, params.query_view)
    if not _same_task(params):
        found = found.head(0)
    elif params.embed.length or not _unchanged(params, trained):
        found = found[found["system"] == "bm25"]
    measured = _measured(landscape) if len(found) else {}
    keys = zip(found["system"], found["scope"], found["metric"], strict=True)
    return found.assign(ours=np.array([measured.get(key, np.nan) for key in keys], dtype=np.float64))


def calibration(params: Params, expected: Iterable[Expected], *, trained: bool, length: int) -> list[str]:
    """A line for each expected score that is comparable with a cell: OK, or by how much the cell is off.

    `expected` are those of the model's entry, `length` the tokens kept of a text. Raises UserError: the outcomes are
    broken or absent.
    """
    if not _same_task(params) or not _unchanged(params, trained):
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


def _same_task(params: Params) -> bool:
    """Whether a cell ranks what published runs rank: all families, in the view that the queries have."""
    return params.tasks.pool == "all" and params.query_view == params.document_view


def _unchanged(params: Params, trained: bool) -> bool:
    """Whether the dense run uses the vectors of the published model: not tuned, cut, centred or of passages."""
    search = params.search
    return not (trained or search.dimensions or search.centre != "none" or params.embed.passages.tokens)


def _measured(landscape: str) -> dict[tuple[str, str, str], float]:
    """Mean over all queries of each system, scope and metric of retrieval."""
    outcomes = tables.read(layout.outcomes(landscape), OUTCOMES, only=("task", "retrieval"))
    means = outcomes.groupby(["system", "scope", "metric"])[["value"]].mean().reset_index()
    return {(row["system"], row["scope"], row["metric"]): row["value"] for row in records(means)}
