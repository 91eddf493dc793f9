"""Relative loss from IN to OUT, with and without fusion."""

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
    # With few queries an interval may reach far below -1 (twice as good OUT as IN), which would squeeze all others.
    rows = rows.assign(landscape=panels, cell=labels(rows), **rows[["value", "low"]].clip(lower=-1))
    return dots(rows, "loss from IN to OUT (95 % interval)", "cell", "system")


PICTURE = Picture(
    "In-domain against out-of-domain",
    "Relative loss of nDCG@10 from IN to OUT, (IN - OUT) / IN, over the n test queries that have relevant families of "
    "both kinds, with and without fusion, with 95 % intervals. Values below -1 are drawn at -1.",
    f"{RUN} -S recipe=zero-shot",
    _draw,
)
