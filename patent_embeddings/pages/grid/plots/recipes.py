"""Change against zero-shot by recipe and task, on the landscape that a recipe was trained on."""

from __future__ import annotations

from typing import Any

from patent_embeddings.evaluation.systems import LEADING
from patent_embeddings.grid.units import described, trained_here
from patent_embeddings.pages.grid.picture import RUN, Material, Picture, counted, dots, labels, landscapes


def _draw(material: Material) -> Any:
    rows = material.tuned()
    rows = rows[trained_here(rows)]
    if rows.empty:
        return None
    rows = described(rows.merge(material.simulated, on="landscape"))
    panel = {task: f"{task}, {metric}" for task, (_, metric) in LEADING.items()}
    panels = counted(rows, rows["task"].map(panel))
    rows = rows.assign(panel=panels, where=landscapes(rows), cell=labels(rows.assign(trained_on="")))
    return dots(rows, "change against zero-shot (95 % interval)", "cell", "where", by="panel", columns=3)


PICTURE = Picture(
    "Recipe by task",
    "Change of each recipe against zero-shot on the landscape that it was trained on, with 95 % intervals; n queries, "
    "families or folds. Filled: significant after Holm's correction.",
    f"{RUN} --preset sample",
    _draw,
)
