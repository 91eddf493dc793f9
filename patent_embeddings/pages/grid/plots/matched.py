"""Recipes at home on the same number of pairs and steps, a point a training seed."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from patent_embeddings.evaluation.systems import LEADING
from patent_embeddings.grid.units import described, trained_here, units, usual
from patent_embeddings.pages.grid.picture import PANEL, RUN, Material, Picture, faceted, labels, landscapes, told_apart


def _draw(material: Material) -> Any:
    outcomes = material.grid.outcomes
    tuned = outcomes[trained_here(outcomes)]
    tuned = tuned[tuned["system"].isin([system for system, _ in LEADING.values()])]
    if tuned["seed"].nunique() < 2:
        return None
    parts = []
    for seed, ours in tuned.groupby("seed"):
        for task, (_, metric) in LEADING.items():
            rows = usual(units(ours, task))
            if len(rows):
                sums = rows.groupby(["config", "landscape", "simulated"])[["numerator", "denominator"]].sum()
                scores = (sums["numerator"] / sums["denominator"]).rename("value").reset_index()
                parts.append(scores.assign(seed=int(str(seed)), panel=f"{task}, {metric}"))
    found = described(pd.concat(parts, ignore_index=True))
    found = found.assign(cell=labels(found.assign(trained_on="")), where=landscapes(found))
    chart = (
        alt.Chart()
        .mark_point(filled=True, size=60, opacity=1)
        .encode(
            y=alt.Y("cell:N", title=None, axis=alt.Axis(grid=True, ticks=False, domain=False)),
            yOffset=alt.YOffset("where:N"),
            x=alt.X("value:Q", title="score, a point a seed", scale=alt.Scale(zero=False)),
            **told_apart("where", None),
            tooltip=["cell:N", "where:N", "seed:Q", alt.Tooltip("value:Q", format=".4f")],
        )
    )
    return faceted(chart.properties(width=PANEL, height=alt.Step(30, **{"for": "position"})), found, "panel", 3)


PICTURE = Picture(
    "Matched data",
    "Score of each training seed, at home: same number of pairs and steps for every recipe.",
    f"{RUN} --preset sample -S finetune.seed=0,1,2",
    _draw,
)
