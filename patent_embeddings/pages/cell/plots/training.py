"""Loss on training and dev pairs by optimiser step."""

from __future__ import annotations

from typing import Any

import altair as alt

from patent_embeddings.core import layout
from patent_embeddings.evaluation.scores import records
from patent_embeddings.pages.cell.marks import PANEL, dashes, tooltip
from patent_embeddings.pages.cell.plot import Plot
from patent_embeddings.pages.cell.results import CellResults
from patent_embeddings.pages.colours import CURVES


def _rows(cell: CellResults) -> list[dict[str, Any]]:
    return records(cell.curve.rename(columns={"step": "optimiser_step"}))


def _draw() -> Any:
    colours = alt.Scale(domain=list(CURVES), range=list(CURVES.values()))
    curve = alt.Chart().encode(
        x=alt.X("optimiser_step:Q", title="optimiser step"),
        y=alt.Y("loss:Q", title="contrastive loss", scale=alt.Scale(zero=False)),
        color=alt.Color("split:N", title="pairs", scale=colours),
        strokeDash=dashes(),
    )
    points = curve.transform_filter("datum.split == 'dev'").mark_point(filled=True, size=55, opacity=1)
    points = points.encode(tooltip=tooltip("split", "optimiser_step", value="loss", interval=False))
    return alt.layer(curve.mark_line(strokeWidth=2), points, width=2 * PANEL, height=220)


PLOT = Plot(
    section="Training",
    columns={"split": "text", "optimiser_step": "number", "loss": "number"},
    rows=_rows,
    draw=_draw,
    caption=lambda cell: (
        f"Contrastive loss by optimiser step: of each batch of {cell.params.finetune.batch} training pairs, and on the "
        f"{int((cell.pairs['split'] == 'dev').sum())} dev pairs{', the mean over adapters' * cell.recipe.merge}."
    ),
    file=layout.CURVE,
)
