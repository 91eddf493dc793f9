"""Share of the score that cut vectors keep."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from patent_embeddings.grid.scores import scored
from patent_embeddings.grid.units import commonest, described, units, where, zero_shot
from patent_embeddings.pages.grid.picture import RUN, Material, Picture, counted, landscapes, points

_SAME = ("query_view", "document_view", "options")


def _draw(material: Material) -> Any:
    rows = zero_shot(units(material.grid.outcomes, "retrieval"))
    cut = where(rows, lambda one: one.dimensions > 0)
    if cut.empty or len({one.dimensions for one in rows["config"]}) < 2:
        return None
    chosen = commonest(cut, *_SAME)
    rows = described(where(rows, lambda one: one.only(*_SAME) == chosen))
    found = scored(rows, ["model", "landscape", "simulated", "dimensions"])
    full = found[found["dimensions"] == 0].set_index(["model", "landscape"])["value"]
    kept = found[found["dimensions"] > 0]
    both = zip(kept["model"], kept["landscape"], strict=True)
    whole = pd.Series([full.get(key) for key in both], index=kept.index, dtype=float)
    kept = kept.assign(share=kept["value"] / whole, landscape=counted(kept, landscapes(kept))).dropna()
    if kept.empty:
        return None
    sizes = alt.Axis(values=sorted(kept["dimensions"].unique().tolist()))
    return points(
        kept,
        alt.X("dimensions:Q", title="dimensions kept", scale=alt.Scale(type="log", base=2, padding=12), axis=sizes),
        alt.Y("share:Q", title="share of nDCG@10 kept", scale=alt.Scale(zero=False), axis=alt.Axis(format="%")),
        "model",
        "model",
        ["model:N", "dimensions:Q", alt.Tooltip("share:Q", format=".1%"), "n:Q"],
        joined=True,
        intervals=False,
    )


PICTURE = Picture(
    "Dimensions",
    "Share of nDCG@10 that a zero-shot model keeps when its vectors are cut to the first dimensions and renormalised; "
    "n test queries.",
    f"{RUN} -S recipe=zero-shot -S search.dimensions=null,256,128,64",
    _draw,
)
