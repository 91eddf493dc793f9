"""Scores of each training seed, on the landscape that a recipe was trained on."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from patent_embeddings.evaluation.systems import LEADING
from patent_embeddings.grid.units import described, trained_here, units, usual
from patent_embeddings.pages.grid.picture import (
    PANEL,
    RUN,
    Material,
    Picture,
    counted,
    faceted,
    labels,
    landscapes,
    told_apart,
)


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
                groups = rows.groupby(["config", "landscape", "simulated"])[["numerator", "denominator"]]
                sums = groups.sum().assign(n=groups.size())
                scores = sums.assign(value=sums["numerator"] / sums["denominator"]).reset_index()
                parts.append(scores.assign(seed=int(str(seed)), panel=f"{task}, {metric}"))
    found = described(pd.concat(parts, ignore_index=True))
    found = found.assign(panel=counted(found, found["panel"]))
    found = found.assign(cell=labels(found.assign(trained_on="")), where=landscapes(found))
    chart = (
        alt.Chart()
        .mark_point(filled=True, size=60, opacity=1)
        .encode(
            y=alt.Y("cell:N", title=None, axis=alt.Axis(grid=True, ticks=False, domain=False)),
            yOffset=alt.YOffset("where:N"),
            x=alt.X("value:Q", title="score (a point for each seed)", scale=alt.Scale(zero=False)),
            **told_apart(found, "where", None),
            tooltip=["cell:N", "where:N", "seed:Q", alt.Tooltip("value:Q", format=".4f"), "n:Q"],
        )
    )
    return faceted(chart.properties(width=PANEL, height=alt.Step(30, **{"for": "position"})), found, "panel", 3)


PICTURE = Picture(
    "Training seeds",
    "Score of each training seed on the landscape that the recipe was trained on; every recipe has the same number of "
    "pairs and steps. n queries, families or folds.",
    f"{RUN} --preset sample -S finetune.seed=0,1,2",
    _draw,
)
