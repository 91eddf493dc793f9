"""Score of zero-shot models by view."""

from __future__ import annotations

from typing import Any

from patent_embeddings.grid.scores import scored
from patent_embeddings.grid.units import described, same_options, units, where, zero_shot
from patent_embeddings.pages.grid.picture import RUN, Material, Picture, counted, dots, landscapes


def _draw(material: Material) -> Any:
    rows = zero_shot(units(material.grid.outcomes, "retrieval"))
    rows = where(rows, lambda one: one.query_view == one.document_view and one.dimensions == 0)
    rows = described(same_options(rows))
    if rows["query_view"].nunique() < 2:
        return None
    found = scored(rows, ["model", "query_view", "landscape", "simulated"])
    order = list(found.groupby("query_view")["value"].mean().sort_values(ascending=False).index)
    found = found.assign(landscape=counted(found, landscapes(found)))
    return dots(found, "nDCG@10 (95 % interval)", "query_view", "model", zero=False, order=order)


PICTURE = Picture(
    "Views",
    "nDCG@10 of the dense run of zero-shot models by view, with 95 % intervals; n test queries.",
    f"{RUN} --preset views",
    _draw,
)
