"""Score of zero-shot models by their size."""

from __future__ import annotations

from typing import Any

import altair as alt

from patent_embeddings.grid.scores import scored
from patent_embeddings.grid.units import described, units, usual, zero_shot
from patent_embeddings.pages.grid.picture import RUN, Material, Picture, counted, landscapes, points


def _draw(material: Material) -> Any:
    rows = described(usual(zero_shot(units(material.grid.outcomes, "retrieval"))))
    if rows["model"].nunique() < 2:
        return None
    found = scored(rows, ["model", "landscape", "simulated"])
    found = found.assign(
        landscape=counted(found, landscapes(found)),
        family=[material.sizes[name][0] for name in found["model"]],
        parameters=[material.sizes[name][1] for name in found["model"]],
    )
    return points(
        found,
        alt.X("parameters:Q", title="parameters, millions", scale=alt.Scale(type="log")),
        alt.Y("value:Q", title="nDCG@10 (95 % interval)", scale=alt.Scale(zero=False)),
        "family",
        "family of models",
        ["model:N", "parameters:Q", alt.Tooltip("value:Q", format=".4f"), "n:Q"],
        joined=True,
        named="model",
    )


PICTURE = Picture(
    "Model size",
    "nDCG@10 of the dense run of zero-shot models by number of parameters (log axis), with 95 % intervals; n test "
    "queries. Lines join the models of a family.",
    f"{RUN} --preset scaling",
    _draw,
)
