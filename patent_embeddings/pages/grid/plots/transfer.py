"""Change of retrieval against zero-shot, by the landscape of training and that of evaluation."""

from __future__ import annotations

from typing import Any

import altair as alt

from patent_embeddings.grid.units import described
from patent_embeddings.pages.colours import CHANGE, ON_CHANGE
from patent_embeddings.pages.grid.picture import PANEL, RUN, Material, Picture, counted, faceted, labels, landscapes


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
        # All panels have the same rows and columns, and here some would be empty: draw one panel.
        rows = rows.assign(tuned=rows["tuned"] + ", " + rows["cell"], cell="every cell")
    rows = rows.assign(cell=counted(rows, rows["cell"])).merge(material.simulated, on="landscape", how="left")
    rows = rows.assign(landscape=landscapes(rows))
    limit = float(rows["value"].abs().max())
    base = alt.Chart().encode(
        x=alt.X("landscape:N", title="evaluated on", axis=alt.Axis(labelAngle=0, domain=False, ticks=False)),
        y=alt.Y("tuned:N", title="recipe and landscape of training", axis=alt.Axis(domain=False, ticks=False)),
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
    "Change of nDCG@10 against zero-shot, by recipe and landscape of training (rows) and landscape of evaluation "
    "(columns), with 95 % intervals; n test queries. * significant after Holm's correction.",
    f"{RUN} --preset sample",
    _draw,
)
