"""Scores beside what they cost."""

from __future__ import annotations

from typing import Any

import altair as alt

from patent_embeddings.grid.scores import scored
from patent_embeddings.grid.units import described, units
from patent_embeddings.pages.colours import PALETTE
from patent_embeddings.pages.grid.picture import PANEL, RUN, Material, Picture, faceted, labels, landscapes, told_apart


def _draw(material: Material) -> Any:
    grid = material.grid
    seconds = grid.costs[grid.costs["stage"].isin(["finetune", "embed"])].groupby("cell")["seconds"].sum()
    if seconds.empty:
        return None
    names = grid.outcomes[["cell", "config"]].drop_duplicates().merge(seconds.reset_index(), on="cell")
    mean = names.groupby("config")["seconds"].mean().reset_index()
    found = scored(units(grid.outcomes, "retrieval"), ["config", "landscape", "simulated"]).merge(mean, on="config")
    if found.empty:
        return None
    found = described(found)
    found = found.assign(cell=labels(found), landscape=landscapes(found), family=found["recipe"])
    title = "seconds of training and embedding, all landscapes"
    base = alt.Chart().encode(
        x=alt.X("seconds:Q", title=title, scale=alt.Scale(zero=True)),
        y=alt.Y("value:Q", title="nDCG@10 (95 % interval)", scale=alt.Scale(zero=False)),
        color=alt.Color("family:N", scale=alt.Scale(range=PALETTE), legend=None),
    )
    tips = ["cell:N", alt.Tooltip("value:Q", format=".4f"), alt.Tooltip("seconds:Q", format=".0f")]
    chart = alt.layer(
        base.mark_rule().encode(y="low:Q", y2="high:Q"),
        base.mark_point(size=60, opacity=1).encode(tooltip=tips, **told_apart("family", "recipe")),
        width=PANEL,
        height=240,
    )
    return faceted(chart, found, "landscape", 2)


PICTURE = Picture(
    "Cost beside score",
    "nDCG@10 of the dense run by the seconds that training and embedding took, whoever computed them.",
    f"{RUN} --preset sample",
    _draw,
    "data/outcomes/LANDSCAPE.parquet and data/costs/ of the cells that it names",
    timed=True,
)
