"""IN beside OUT for every system, over the queries that have both."""

from __future__ import annotations

from typing import Any

import altair as alt

from patent_embeddings.pages.cell.marks import KNOWN, PANEL, by_system, colour, lower_bound, shape, tooltip
from patent_embeddings.pages.cell.plot import SCORED, Plot, panelled, scored
from patent_embeddings.pages.cell.results import CellResults


def _rows(cell: CellResults) -> list[dict[str, Any]]:
    rows = []
    for landscape in cell.landscapes:
        found = scored(cell, landscape, "retrieval")
        paired = found[found["scope"].isin(["in-paired", "out-paired"])]
        paired = paired.assign(scope=paired["scope"].str.removesuffix("-paired"))
        rows += panelled(landscape, paired, "test queries with both")
    return rows


def _draw() -> Any:
    label = "upper(datum.scope) + ' ' + format(datum.value, '.3f')"
    rows = alt.Chart().transform_calculate(label=label).encode(**by_system(), color=colour(), detail="rev:N")
    intervals = rows.transform_filter(KNOWN).mark_rule(strokeWidth=2.5, opacity=0.5)
    points = rows.mark_point(size=75, strokeWidth=2, opacity=1).encode(
        x="value:Q",
        fill=colour(channel=alt.Fill),
        shape=shape(),
        tooltip=tooltip("system", "scope"),
        fillOpacity=alt.FillOpacity("scope:O", scale=alt.Scale(domain=["in", "out"], range=[1, 0]), legend=None),
    )
    words = [
        # IN above its point, OUT below, so that close ones stay legible.
        rows.transform_filter(f"datum.scope == '{scope}'")
        .mark_text(dy=dy, fontSize=10)
        .encode(x="value:Q", text="label:N", color=alt.ColorValue("currentColor"))
        for scope, dy in (("in", -11), ("out", 12))
    ]
    axis = lower_bound("nDCG@10, test queries with both")
    return alt.layer(intervals.encode(x=axis, x2="ci_high:Q"), points, *words, width=PANEL, height=alt.Step(44))


PLOT = Plot(
    section="In-domain against out-of-domain",
    columns={"panel": "text", "system": "text", "scope": "text", **SCORED},
    rows=_rows,
    draw=_draw,
    caption=lambda _: "nDCG@10 of IN (filled) and OUT (hollow) relevant families, same queries, with 95 % intervals.",
    png=True,
)
