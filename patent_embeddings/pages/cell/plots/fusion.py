"""Score of interpolation by the weight of the dense leg, on test and dev queries, and of RRF as a level."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.pages.cell.marks import PANEL, dashes, tooltip
from patent_embeddings.pages.cell.plot import Plot, panelled
from patent_embeddings.pages.cell.results import CellResults, LandscapeResults
from patent_embeddings.pages.colours import COLOURS, GREY, INK


def _rows(cell: CellResults) -> list[dict[str, Any]]:
    return [row for landscape in cell.landscapes for row in _of(landscape)]


def _of(landscape: LandscapeResults) -> list[dict[str, Any]]:
    """Every setting on test and dev; a setting that is both chosen and oracle has a row for each mark."""
    if landscape.fusion.empty:
        return []
    rows = landscape.fusion.rename(columns={"value": "setting", "score": "value"})
    rows = rows[rows["split"].isin(["dev", "test"])]
    test = rows["split"] == "test"
    marked = [rows[~(test & (rows["chosen"] | rows["oracle"]))].assign(mark="")]
    marked += [rows[test & rows[flag]].assign(mark=flag) for flag in ("chosen", "oracle")]
    ordered = pd.concat(marked).sort_values(["method", "split", "setting", "mark"])
    # Not every query of a split: one whose relevant families are all out of reach tunes and scores nothing.
    scored = (
        landscape.outcomes[landscape.outcomes["scope"] == "all"].drop_duplicates("query_id")["split"].value_counts()
    )
    dev = "" if landscape.cross_fitted else f" and {scored.get('dev', 0):,} dev"
    metric = landscape.fusion["metric"].iloc[0]
    return panelled(landscape, ordered.assign(n=scored.get("test", 0)), f"test{dev} queries, {metric}")


def _draw() -> Any:
    ink = COLOURS["interpolation"]
    weights = alt.Chart().transform_filter("datum.method == 'interpolation'")
    words = "weight of dense (0: BM25 alone, 1: dense alone)"
    place = {
        "x": alt.X("setting:Q", title=words, scale=alt.Scale(domain=[0, 1])),
        "y": alt.Y("value:Q", title="score", scale=alt.Scale(zero=False, nice=True)),
    }
    legend = alt.Legend(symbolType="stroke", symbolOpacity=1)
    scale = alt.Scale(domain=["test", "dev"], range=[ink, GREY])
    split = alt.Color("split:N", title="queries", scale=scale, legend=legend)
    dev = weights.transform_filter("datum.split == 'dev'")
    said = "datum.label == 'chosen' ? 'chosen on other queries' : 'oracle: best on test, no score'"
    shapes = alt.Scale(domain=["chosen", "oracle"], range=["circle", "diamond"])
    mark = alt.Shape("mark:N", title="on test", scale=shapes, legend=alt.Legend(labelExpr=said))
    marked = weights.transform_filter("datum.split == 'test' && datum.mark != ''")
    points = marked.mark_point(filled=False, size=110, strokeWidth=2.2, color=ink, opacity=1)
    rrf = "datum.method == 'rrf' && datum.mark == 'chosen' && datum.split == 'test'"
    level = alt.Chart().transform_filter(rrf)
    name = level.mark_text(color=INK, align="left", baseline="bottom", dx=4, dy=-3, fontSize=10)
    return alt.layer(
        weights.mark_line(strokeWidth=2).encode(**place, color=split, strokeDash=dashes()),
        dev.mark_point(filled=True, size=30, color=GREY, opacity=1).encode(**place),
        level.mark_rule(color=COLOURS["rrf"], strokeWidth=1.5).encode(y="value:Q", strokeDash=dashes()),
        name.encode(x=alt.value(0), y="value:Q", text=alt.value("RRF, chosen k")),
        points.encode(**place, shape=mark, tooltip=tooltip("mark", "setting", interval=False)),
        width=PANEL,
        height=220,
    )


def _caption(cell: CellResults) -> str:
    said = (
        f"Mean {cell.params.fuse.metric} of interpolation by the weight of the dense leg, over the test queries and "
        "over the dev queries that it is chosen on (with dots). The level is RRF over the test queries."
    )
    if any(one.cross_fitted for one in cell.landscapes):
        said += " Where fusion is cross-fitted there are no dev queries; each setting that some fold chose is marked."
    return said


PLOT = Plot(
    section="Fusion with BM25",
    columns={
        "panel": "text",
        "method": "text",
        "setting": "number",
        "split": "text",
        "value": "number",
        "mark": "text",
    },
    rows=_rows,
    draw=_draw,
    caption=_caption,
    file=layout.fusion,
)
