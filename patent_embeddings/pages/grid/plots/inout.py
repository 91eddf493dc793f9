"""What is lost from IN to OUT, with and without fusion."""

from __future__ import annotations

from typing import Any

from patent_embeddings.grid.scores import losses
from patent_embeddings.grid.units import described
from patent_embeddings.pages.grid.picture import RUN, Material, Picture, counted, dots, labels, landscapes


def _draw(material: Material) -> Any:
    rows = losses(material.grid.outcomes)
    if rows.empty:
        return None
    rows = described(rows.merge(material.simulated, on="landscape"))
    panels = counted(rows, landscapes(rows))
    # Where few queries have both scopes, an interval reaches far below: what is more than twice as good OUT is cut off.
    rows = rows.assign(landscape=panels, cell=labels(rows), **rows[["value", "low"]].clip(lower=-1))
    return dots(rows, "relative loss (95 % interval)", "cell", "system")


PICTURE = Picture(
    "In-domain against out-of-domain",
    "Relative loss of nDCG@10 from IN to OUT on the queries that have both, with and without fusion, "
    "with 95 % interval; n queries; what is below -1 is drawn at -1.",
    f"{RUN} -S recipe=zero-shot",
    _draw,
)
