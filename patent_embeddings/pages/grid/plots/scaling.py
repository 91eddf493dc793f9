"""Models as published by their size."""

from __future__ import annotations

from typing import Any

import altair as alt

from patent_embeddings.grid.scores import scored
from patent_embeddings.grid.units import described, units, usual, zero_shot
from patent_embeddings.pages.colours import DASHES, INK, PALETTE
from patent_embeddings.pages.grid.picture import PANEL, RUN, Material, Picture, faceted, landscapes, told_apart


def _draw(material: Material) -> Any:
    rows = described(usual(zero_shot(units(material.grid.outcomes, "retrieval"))))
    if rows["model"].nunique() < 2:
        return None
    found = scored(rows, ["model", "landscape", "simulated"])
    found = found.assign(
        landscape=landscapes(found),
        family=[material.sizes[name][0] for name in found["model"]],
        parameters=[material.sizes[name][1] for name in found["model"]],
    )
    base = alt.Chart().encode(
        x=alt.X("parameters:Q", title="parameters, millions", scale=alt.Scale(type="log")),
        color=alt.Color("family:N", scale=alt.Scale(range=PALETTE), legend=None),
    )
    dashes = alt.StrokeDash("family:N", scale=alt.Scale(range=DASHES), legend=None)
    y = alt.Y("value:Q", title="nDCG@10 (95 % interval)", scale=alt.Scale(zero=False))
    tips = ["model:N", "parameters:Q", alt.Tooltip("value:Q", format=".4f")]
    chart = alt.layer(
        base.mark_line(strokeWidth=1.5).encode(y=y, strokeDash=dashes),
        base.mark_rule(strokeWidth=1.5).encode(y="low:Q", y2="high:Q"),
        base.mark_point(size=60, opacity=1).encode(y=y, tooltip=tips, **told_apart("family", "family of models")),
        base.mark_text(dy=-9, fontSize=10).encode(y=y, text="model:N", color=alt.ColorValue(INK)),
        width=PANEL,
        height=240,
    )
    return faceted(chart, found, "landscape", 2)


PICTURE = Picture(
    "Model size",
    "nDCG@10 of the dense run, models as published, by size on a log axis; lines join a family.",
    f"{RUN} --preset scaling",
    _draw,
)
