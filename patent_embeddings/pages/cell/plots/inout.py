"""nDCG@10 IN and OUT of every system, over the queries that have both."""

from __future__ import annotations

from typing import Any

import altair as alt

from patent_embeddings.pages.cell.marks import KNOWN, PANEL, by_system, colour, lower_bound, shape, tooltip
from patent_embeddings.pages.cell.plot import SCORED, Plot, panelled, scored
from patent_embeddings.pages.cell.results import CellResults
from patent_embeddings.pages.colours import INK

NAMED = 3  # landscapes that fit into the title


def _rows(cell: CellResults) -> list[dict[str, Any]]:
    rows = []
    for landscape in cell.landscapes:
        found = scored(cell, landscape, "retrieval")
        paired = found[found["scope"].isin(["in-paired", "out-paired"])]
        paired = paired.assign(scope=paired["scope"].str.removesuffix("-paired"))
        rows += panelled(landscape, paired, "queries with both")
    return rows


def _draw() -> Any:
    label = "upper(datum.scope) + ' ' + format(datum.value, '.3f')"
    rows = alt.Chart().transform_calculate(label=label).encode(**by_system(), color=colour(), detail="rev:N")
    intervals = rows.transform_filter(KNOWN).mark_rule(strokeWidth=2)
    points = rows.mark_point(size=75, strokeWidth=2, opacity=1).encode(
        x="value:Q",
        fill=colour(channel=alt.Fill),
        shape=shape(),
        tooltip=tooltip("system", "scope"),
        fillOpacity=alt.FillOpacity("scope:O", scale=alt.Scale(domain=["in", "out"], range=[1, 0]), legend=None),
    )
    words = [
        # IN above its point, OUT below, so that close ones stay legible, and to its right, since it may be near 0.
        rows.transform_filter(f"datum.scope == '{scope}'")
        .mark_text(dy=dy, dx=dx, align=align, fontSize=10)
        .encode(x="value:Q", text="label:N", color=alt.ColorValue(INK))
        for scope, dy, dx, align in (("in", -11, 0, "center"), ("out", 12, -4, "left"))
    ]
    axis = lower_bound("nDCG@10, test queries with both")
    return alt.layer(intervals.encode(x=axis, x2="ci_high:Q"), points, *words, width=PANEL, height=alt.Step(44))


def _finding(cell: CellResults) -> tuple[str, str]:
    """Title and subtitle: the share of its in-domain score that the dense run keeps out of domain."""
    simulated = "Simulated landscapes: nothing about real patents. " if cell.simulated else ""
    subtitle = f"{simulated}IN: query and relevant family share a class or domain. OUT: they share none."
    kept = {}
    for landscape in cell.landscapes:
        found = scored(cell, landscape, "retrieval")
        of = found[found["system"] == "dense"].set_index("scope")["value"]
        if of.get("in-paired"):
            kept[landscape.name] = 100 * of["out-paired"] / of["in-paired"]
    if not kept:
        return "No test query has relevant families both in and out of its domain", subtitle
    first, *rest = (f"{share:.0f} %{{}} on {name}" for name, share in kept.items())
    words = ", ".join([first.format(" of its nDCG@10"), *(one.format("") for one in rest)])
    if len(kept) > NAMED:
        words = f"{min(kept.values()):.0f} to {max(kept.values()):.0f} % of its nDCG@10 on {len(kept)} landscapes"
    return f"Out of domain the dense run keeps {words}", subtitle


PLOT = Plot(
    section="In-domain against out-of-domain",
    columns={"panel": "text", "system": "text", "scope": "text", **SCORED},
    rows=_rows,
    draw=_draw,
    caption=lambda _: (
        "nDCG@10 for IN (filled) and OUT (hollow) relevant families of the same queries, with 95 % intervals."
    ),
    finding=_finding,
)
