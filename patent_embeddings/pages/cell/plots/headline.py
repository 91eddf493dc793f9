"""nDCG@10 of every system over all relevant families."""

from __future__ import annotations

from typing import Any

import altair as alt

from patent_embeddings.pages.cell.marks import KNOWN, PANEL, by_system, colour, lower_bound, shape, tooltip
from patent_embeddings.pages.cell.plot import SCORED, Plot, panelled, scored
from patent_embeddings.pages.cell.results import CellResults
from patent_embeddings.pages.colours import INK


def _rows(cell: CellResults) -> list[dict[str, Any]]:
    rows = []
    for landscape in cell.landscapes:
        found = scored(cell, landscape, "retrieval")
        rows += panelled(landscape, found[found["scope"] == "all"], "test queries")
    return rows


def _draw() -> Any:
    rows = alt.Chart().encode(**by_system(), color=colour())
    axis = lower_bound("nDCG@10, test queries")
    number = {"text": alt.Text("value:Q", format=".3f"), "color": alt.ColorValue(INK)}
    return alt.layer(
        rows.transform_filter(KNOWN).mark_rule(strokeWidth=2.5).encode(x=axis, x2="ci_high:Q"),
        rows.mark_point(filled=True, size=75, opacity=1).encode(x="value:Q", shape=shape(), tooltip=tooltip("system")),
        rows.mark_text(dy=-10, fontSize=10).encode(x="value:Q", **number),
        width=PANEL,
        height=alt.Step(36),
    )


PLOT = Plot(
    section="Retrieval",
    columns={"panel": "text", "system": "text", **SCORED},
    rows=_rows,
    draw=_draw,
    caption=lambda _: "Mean nDCG@10 of each system over the test queries, all relevant families, with 95 % intervals.",
)
