"""Score by the seconds of training and embedding."""

from __future__ import annotations

from typing import Any

import altair as alt

from patent_embeddings.grid.scores import scored
from patent_embeddings.grid.units import described, units
from patent_embeddings.pages.grid.picture import OUTCOMES, RUN, Material, Picture, counted, labels, landscapes, points


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
    panels = counted(found, landscapes(found))
    found = found.assign(cell=labels(found), landscape=panels, family=found["recipe"])
    title = "seconds of training and embedding (all landscapes)"
    return points(
        found,
        alt.X("seconds:Q", title=title, scale=alt.Scale(zero=True)),
        alt.Y("value:Q", title="nDCG@10 (95 % interval)", scale=alt.Scale(zero=False)),
        "family",
        "recipe",
        ["cell:N", alt.Tooltip("value:Q", format=".4f"), alt.Tooltip("seconds:Q", format=".0f"), "n:Q"],
    )


PICTURE = Picture(
    "Score by cost",
    "nDCG@10 of the dense run by the seconds of training and embedding, each cell on the machine that computed it, "
    "with 95 % intervals; n test queries.",
    f"{RUN} --preset sample",
    _draw,
    f"data/costs and {OUTCOMES}",
    timed=True,
)
