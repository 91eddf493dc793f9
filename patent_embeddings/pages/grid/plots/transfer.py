"""What tuning on one landscape changes on every other."""

from __future__ import annotations

from typing import Any

import altair as alt

from patent_embeddings.grid.units import described
from patent_embeddings.pages.colours import CHANGE, ON_CHANGE
from patent_embeddings.pages.grid.picture import PANEL, RUN, Material, Picture, faceted, labels


def _draw(material: Material) -> Any:
    rows = material.tuned()
    rows = described(rows[rows["task"] == "retrieval"])
    if rows["landscape"].nunique() < 2:
        return None
    marks = rows["significant"].map({True: "*", False: ""})
    bounds = zip(rows["low"], rows["high"], strict=True)
    rows = rows.assign(
        cell=labels(rows.assign(recipe="", trained_on="")),
        tuned=rows["recipe"] + " on " + rows["trained_on"],
        text=[f"{value:+.3f}{mark}" for value, mark in zip(rows["value"], marks, strict=True)],
        interval=[f"{low:+.3f} to {high:+.3f}" if low == low else "" for low, high in bounds],
    )
    sides = [rows["tuned"].nunique(), rows["landscape"].nunique()]
    if any(ours[["tuned", "landscape"]].nunique().tolist() != sides for _, ours in rows.groupby("cell")):
        # Panels share their rows and columns, and would have empty ones: one panel has none.
        rows = rows.assign(tuned=rows["tuned"] + ", " + rows["cell"], cell="every cell")
    limit = float(rows["value"].abs().max())
    base = alt.Chart().encode(
        x=alt.X("landscape:N", title="evaluated on", axis=alt.Axis(labelAngle=0, domain=False, ticks=False)),
        y=alt.Y("tuned:N", title="trained with and on", axis=alt.Axis(domain=False, ticks=False)),
    )
    scale = alt.Scale(domain=[-limit, 0, limit], range=CHANGE)
    colour = alt.Color("value:Q", title="change of nDCG@10", scale=scale)
    chart = alt.layer(
        base.mark_rect().encode(color=colour),
        base.mark_text(dy=-5, fontSize=12, color=ON_CHANGE).encode(text="text:N"),
        base.mark_text(dy=10, fontSize=10, color=ON_CHANGE).encode(text="interval:N"),
        width=PANEL,
        height=alt.Step(48),
    )
    return faceted(chart, rows, "cell", 2).properties(usermeta={"least": 100 * rows["landscape"].nunique()})


PICTURE = Picture(
    "Transfer",
    "Change of retrieval (nDCG@10) against zero-shot: trained with and on (rows), evaluated on (columns), "
    "with 95 % interval; * significant after Holm.",
    f"{RUN} --preset sample",
    _draw,
)
