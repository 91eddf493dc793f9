"""The picture of the study: change of every recipe and setting at home and abroad, with intervals."""

from __future__ import annotations

import altair as alt
import pandas as pd

from patent_embeddings.pages.charts import spec
from patent_embeddings.pages.colours import BLUE, INK
from patent_embeddings.pages.outlines import svg


def frontier(points: pd.DataFrame) -> str:
    """SVG of the rows of `tables/frontier.csv`, with 95 % intervals."""
    sides = {"home": "at home", "mean": "abroad"}
    columns = ["cell", "change", "low", "high"]
    parts = [
        points[["cell", side, f"{side}_low", f"{side}_high"]].round(5).set_axis(columns, axis=1).assign(side=name)
        for side, name in sides.items()
    ]
    order = points.sort_values("mean", ascending=False)["cell"].tolist()
    rows = alt.Chart().encode(y=alt.Y("cell:N", sort=order, title=None, axis=alt.Axis(labelLimit=220)))
    x = alt.X("change:Q", title="change of nDCG@10", axis=alt.Axis(format="+%"))
    chart = alt.layer(
        alt.Chart().mark_rule(strokeDash=[3, 3], color=INK).encode(x=alt.datum(0)),
        rows.mark_rule(strokeWidth=2, color=BLUE).encode(x="low:Q", x2="high:Q"),
        rows.mark_point(filled=True, size=60, opacity=1, color=BLUE).encode(x=x),
        data=pd.concat(parts, ignore_index=True),
        width=300,
    )
    return svg(spec(chart.facet(alt.Column("side:N", title=None, sort=list(sides.values())))))
