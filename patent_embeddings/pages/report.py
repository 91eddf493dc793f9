"""Scores -> reports: scores.csv, the headline numbers, pictures and one page for the cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from patent_embeddings.core import layout, registry, tables
from patent_embeddings.core.files import read_json, replacing, write_json, write_text
from patent_embeddings.corpus.entries import landscape_entry, view_entry
from patent_embeddings.corpus.pool import reachable
from patent_embeddings.corpus.schemas import FAMILIES, LABELS, LENGTHS, POOL, QRELS, QUERIES
from patent_embeddings.encoders.entries import model_entry
from patent_embeddings.evaluation import calibration as calibration_
from patent_embeddings.evaluation import scores, systems
from patent_embeddings.evaluation.schemas import SCORES
from patent_embeddings.evaluation.systems import RETRIEVAL
from patent_embeddings.pages import charts, summary
from patent_embeddings.pages.cell import missing, page
from patent_embeddings.pages.summary import Cell, Landscape, example_query
from patent_embeddings.pairs.entries import recipe_entry
from patent_embeddings.pairs.schemas import PAIRS, SEEN
from patent_embeddings.retrieval.schemas import FUSION, RUN
from patent_embeddings.training.schemas import CURVE

if TYPE_CHECKING:
    import pandas as pd

    from patent_embeddings.core.params import Params
    from patent_embeddings.pages.summary import Cell, Landscape

PICTURED = ("headline", "inout", "fusion")  # those that are also written as PNG


def gather(params: Params) -> Cell:
    """Read everything that the cell's stages have written."""

    landscapes = sorted(params.evaluate_on)
    model, recipe = model_entry(params.model), recipe_entry(params.recipe)
    return Cell(
        params=params,
        model=model,
        recipe=recipe,
        views={name: view_entry(name) for name in registry.ids("views")},
        landscapes=[
            _landscape(name, calibration_.beside(params, recipe, name), earlier=params.tasks.pool == "earlier")
            for name in landscapes
        ],
        scores=pd.concat([tables.read(layout.scores(name), SCORES) for name in landscapes], ignore_index=True),
        pairs=tables.read(layout.PAIRS, PAIRS),
        seen=tables.read(layout.SEEN, SEEN),
        curve=tables.read(layout.CURVE, CURVE),
        scale=summary.kept_at(recipe),
        calibration=calibration_.calibration(params, model, recipe),
        costs={name: _costs(name) for name in (*landscapes, layout.CELL)},
    )


def write(cell: Cell) -> None:
    """Write every file of the report."""

    write_text(layout.SCORES, scores.scores_csv(cell.scores))
    write_json(layout.HEADLINE, systems.headline(cell.scores))
    rows = summary.plots(cell)
    for name in charts.COLUMNS:
        write_text(layout.plot(name), summary.plot_csv(name, rows[name]))
    for name in PICTURED:
        spec = charts.filled(charts.spec(name), [{**row, "rev": cell.name} for row in rows[name]])
        with replacing(layout.figure(name)) as temporary:
            temporary.write_bytes(charts.png(spec))
    write_text(layout.PAGE, page(cell))


def _landscape(name: str, published: pd.DataFrame, *, earlier: bool) -> Landscape:

    found = {system: layout.run(name, system) for system in RETRIEVAL}
    queries = tables.read(layout.task(name, "queries"), QUERIES)
    qrels = tables.read(layout.task(name, "qrels"), QRELS)
    pool = tables.read(layout.task(name, "pool"), POOL)
    example = example_query(queries, qrels[reachable(qrels, pool, earlier=earlier)])
    runs = {
        system: tables.read(path, RUN, ["query_id", "family_id", "rank"], ("query_id", example))
        for system, path in found.items()
        if example and path.exists()
    }
    if "reranked" in runs and runs["reranked"].empty:  # no reranker was chosen
        del runs["reranked"]
    return Landscape(
        name=name,
        entry=landscape_entry(name),
        families=tables.read(layout.families(name), FAMILIES, ["family_id", "title", "ipc"]),
        queries=queries,
        qrels=qrels,
        labels=tables.read(layout.task(name, "labels"), LABELS),
        pool=pool,
        lengths=tables.read(layout.lengths(name), LENGTHS),
        fusion=tables.read(layout.fusion(name), FUSION),
        example=example,
        runs=runs,
        published=published,
    )


def _costs(where: str) -> dict[str, dict[str, object]]:

    folder = layout.cost("any", where).parent
    return {path.stem: read_json(path) for path in sorted(folder.glob("*.json"))}


def _print_table(cell: Cell | None, calibration: list[str]) -> None:

    print(scores.table(scores.read_scores()))
    lacking = [line for landscape in cell.landscapes for line in missing(cell, landscape)] if cell else []
    for line in [*lacking, *calibration]:
        print(line)
    print(f"page: {layout.PAGE}")
