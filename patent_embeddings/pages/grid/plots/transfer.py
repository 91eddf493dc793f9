"""What tuning on one landscape changes on every other."""

from __future__ import annotations

from typing import Any

import altair as alt

from patent_embeddings.grid.units import described
from patent_embeddings.pages.colours import CHANGE
from patent_embeddings.pages.grid.picture import PANEL, RUN, Material, Picture, faceted, labels


def _draw(material: Material) -> Any:
    rows = material.tuned()
    rows = described(rows[rows["task"] == "retrieval"])
    if rows["landscape"].nunique() < 2:
        return None
    marks = rows["significant"].map({True: "*", False: ""})
    bounds = zip(rows["low"], rows["high"], strict=True)
    rows = rows.assign(
        cell=labels(rows.assign(trained_on="")),
        text=[f"{value:+.3f}{mark}" for value, mark in zip(rows["value"], marks, strict=True)],
        interval=[f"{low:+.3f} to {high:+.3f}" if low == low else "" for low, high in bounds],
    )
    limit = float(rows["value"].abs().max())
    base = alt.Chart().encode(
        x=alt.X("landscape:N", title="evaluated on", axis=alt.Axis(labelAngle=0, domain=False, ticks=False)),
        y=alt.Y("trained_on:N", title="trained on", axis=alt.Axis(domain=False, ticks=False)),
    )
    scale = alt.Scale(domain=[-limit, 0, limit], range=CHANGE)
    colour = alt.Color("value:Q", title="change of nDCG@10", scale=scale)
    ink = alt.condition(f"abs(datum.value) > {0.6 * limit}", alt.value("white"), alt.value("#1c2430"))
    chart = alt.layer(
        base.mark_rect(stroke="white", strokeWidth=2).encode(color=colour),
        base.mark_text(dy=-5, fontSize=12).encode(text="text:N", color=ink),
        base.mark_text(dy=10, fontSize=9).encode(text="interval:N", color=ink),
        width=PANEL,
        height=alt.Step(48),
    )
    return faceted(chart, rows, "cell", 2)


PICTURE = Picture(
    "Transfer",
    "Change of retrieval (nDCG@10) against zero-shot: trained on (rows), evaluated on (columns), "
    "with 95 % interval; * significant after Holm.",
    f"{RUN} --preset sample",
    _draw,
)
