"""Pictures of a score by a property of the query: in bins of queries, each system's mean with its interval."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.evaluation.statistics import mean_interval
from patent_embeddings.evaluation.systems import RETRIEVAL
from patent_embeddings.pages.cell.plot import KNOWN, PANEL, SCORED, Columns, Plot, dashes, panelled, tooltip
from patent_embeddings.pages.cell.results import CellResults
from patent_embeddings.pages.colours import COLOURS, SHAPES
from patent_embeddings.pages.failures.queries import METRIC, named, tested, wide

_BINS, _FEWEST = 5, 12  # bins at most; queries in a bin at least, unless equal values are more
_COLUMNS: Columns = {"panel": "text", "system": "text", "bin": "text", "first": "number", **SCORED, "n": "number"}


def binned(column: str, title: str, about: str) -> Plot:
    """The picture of `METRIC` by a column of `failures.queries.profile`, in whole numbers; all landscapes share bins.

    `title` is the title of the axis; `about` says in the caption what the column is.
    """

    def rows(cell: CellResults) -> Iterator[dict[str, Any]]:
        known = {one.name: one.asked.set_index("query_id")[column].dropna() // 1 for one in cell.landscapes}
        edges = borders(pd.concat(known.values()))
        for landscape in cell.landscapes:
            found = list(_means(wide(tested(landscape.outcomes)), known[landscape.name], edges)) if edges else []
            if found:
                yield from panelled(landscape, pd.DataFrame(found), "test queries a bin")

    def draw() -> Any:
        order = alt.EncodingSortField("first", op="min")
        place = alt.X("bin:O", title=title, sort=order, axis=alt.Axis(labelAngle=0, labelFontSize=10, ticks=False))
        # Side by side, as the systems' intervals overlap.
        names = list(RETRIEVAL)
        system = {"field": "system", "type": "nominal", "title": "system"}
        colours = alt.Scale(domain=names, range=[COLOURS[name] for name in names])
        shapes = alt.Shape(**system, scale=alt.Scale(domain=names, range=SHAPES))
        systems = alt.Chart().encode(
            x=place,
            xOffset=alt.XOffset("system:N", sort=names),
            color=alt.Color(**system, scale=colours, legend=alt.Legend(symbolOpacity=1)),
        )
        score = alt.Y("value:Q", title=f"{METRIC}, test queries", scale=alt.Scale(zero=True))
        bounds = systems.transform_filter(KNOWN).encode(y=alt.Y("ci_low:Q"), y2="ci_high:Q", detail="rev:N")
        points = systems.mark_point(filled=True, size=40, opacity=1)
        return alt.layer(
            bounds.mark_rule(strokeWidth=1.5),
            systems.mark_line(strokeWidth=1).encode(y=score, strokeDash=dashes()),
            points.encode(y=score, shape=shapes, tooltip=tooltip("system", "bin", alt.Tooltip("n:Q", title="queries"))),
            width=PANEL,
            height=220,
        )

    def caption(_: CellResults) -> str:
        return f"{METRIC} by {about}, with 95 % intervals. Each bin has about as many test queries of all landscapes."

    return Plot("Query by query", _COLUMNS, rows, draw, caption, file=layout.outcomes)


def borders(values: pd.Series[float]) -> list[float]:
    """Lowest value of each of some bins of about equal size, ascending; equal values share a bin; empty for one bin."""
    count = min(_BINS, len(values) // _FEWEST)
    least = np.unique(np.sort(values.to_numpy())[np.arange(count) * len(values) // max(count, 1)])
    return least.tolist() if len(least) > 1 else []


def _means(outcomes: pd.DataFrame, values: pd.Series[float], edges: list[float]) -> Iterator[dict[str, Any]]:
    """Mean and interval of each system, [query_id, system], in each bin that has queries."""
    for first, above in zip(edges, [*edges[1:], math.inf], strict=True):
        inside = values.index[(values >= first) & (values < above)]
        if len(inside):
            shown = f"{first:.0f}+" if above == math.inf else f"{first:.0f}–{above - 1:.0f}"
            shown = f"{first:.0f}" if above == first + 1 else shown
            for system in named(outcomes):
                scores = outcomes.loc[inside, system].to_numpy()
                low, high = map(float, mean_interval(scores))
                found = {"value": float(scores.mean()), "ci_low": low, "ci_high": high, "n": len(scores)}
                yield {"system": system, "bin": shown, "first": first, **found}
