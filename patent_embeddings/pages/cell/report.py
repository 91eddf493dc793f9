"""The report of a cell: gathers what its stages wrote, and makes every file of reports/ from it."""

from __future__ import annotations

import pandas as pd

from patent_embeddings.core import layout, tables
from patent_embeddings.core.files import read_json, write_json, write_text
from patent_embeddings.corpus.pool import reachable
from patent_embeddings.corpus.schemas import FAMILIES, LABELS, LENGTHS, POOL, QRELS, QUERIES
from patent_embeddings.evaluation import calibration, scores
from patent_embeddings.evaluation.schemas import COMPRESSION, OUTCOMES, SCORES
from patent_embeddings.evaluation.systems import LEADING, OPTIONAL, RETRIEVAL
from patent_embeddings.grid.keys import ReportValues
from patent_embeddings.pages import charts
from patent_embeddings.pages.cell.last_lines import keep
from patent_embeddings.pages.cell.notes import missing
from patent_embeddings.pages.cell.page import page
from patent_embeddings.pages.cell.pictures import PLOTS
from patent_embeddings.pages.cell.queries import example_query, failures
from patent_embeddings.pages.cell.results import CellResults, LandscapeResults
from patent_embeddings.pages.failures import queries as failed
from patent_embeddings.pages.failures.source import WORKSPACE
from patent_embeddings.pairs.schemas import PAIRS
from patent_embeddings.retrieval.schemas import FUSION, RUN
from patent_embeddings.training.schemas import CURVE, SEEN


def gather(values: ReportValues) -> CellResults:
    """Read everything that the cell's stages have written. Raises UserError where a table is absent or damaged."""
    landscapes = sorted(values.landscapes)
    return CellResults(
        values=values,
        landscapes=[_landscape(name, values) for name in landscapes],
        scores=pd.concat([tables.read(layout.scores(name), SCORES) for name in landscapes], ignore_index=True),
        pairs=tables.read(layout.PAIRS, PAIRS),
        seen=tables.read(layout.SEEN, SEEN),
        curve=tables.read(layout.CURVE, CURVE),
        calibration=calibrated(values),
        costs={name: _costs(name) for name in (*landscapes, layout.CELL)},
    )


def calibrated(values: ReportValues) -> list[str]:
    """A line for each expected score of the model's entry that the cell measures."""
    model, trained = values.model, bool(values.recipe.signals)
    return calibration.calibration(values.cell, model.expected, trained=trained, length=model.length)


def write(cell: CellResults) -> None:
    """Write every file of the report."""
    write_text(layout.SCORES, scores.scores_csv(cell.scores))
    write_json(layout.HEADLINE, scores.headline(cell.scores))
    for name, plot in PLOTS.items():
        rows = plot.data(cell)
        write_text(layout.plot(name), plot.csv(rows))
        if drawn := plot.figure(cell, rows):
            write_text(layout.figure(name), drawn)
    write_text(layout.PAGE, page(cell, failures(cell)))
    keep(summary(cell))


def write_templates() -> None:
    """Write the templates that `dvc plots` draws with, and the page that it puts them on."""
    for name, plot in PLOTS.items():
        write_json(layout.template(name), plot.spec)
    write_text(layout.TEMPLATE_PAGE, charts.template_page())


def summary(cell: CellResults | None) -> str:
    """The lines that end a run: the short table, and of a cell what could not be measured, expected scores, the page.

    `cell` is None where only its scores are here. Raises UserError where there is no reports/scores.csv yet.
    """
    table = scores.short_table(scores.read_scores())
    if cell is None:
        return table
    lacking = [line for landscape in cell.landscapes for line in missing(cell, landscape)]
    return "\n".join([table, *lacking, *cell.calibration, f"page: {layout.PAGE}"])


def _landscape(name: str, values: ReportValues) -> LandscapeResults:
    earlier = values.cell.tasks.pool == "earlier"
    queries = tables.read(layout.task(name, "queries"), QUERIES)
    qrels = tables.read(layout.task(name, "qrels"), QRELS)
    pool = tables.read(layout.task(name, "pool"), POOL)
    example = example_query(queries, qrels[reachable(qrels, pool, earlier=earlier)])
    outcomes = tables.read(layout.outcomes(name), OUTCOMES, only=("metric", LEADING["retrieval"][1]))
    tests = sorted(set(failed.tested(outcomes)["query_id"]))
    return LandscapeResults(
        name=name,
        entry=values.landscapes[name],
        families=tables.read(layout.families(name), FAMILIES, ["family_id", "title", "ipc", "domains"]),
        queries=queries,
        qrels=qrels,
        labels=tables.read(layout.task(name, "labels"), LABELS),
        pool=pool,
        lengths=tables.read(layout.lengths(name), LENGTHS),
        fusion=tables.read(layout.fusion(name), FUSION),
        example=example,
        runs=_runs(name, example) if example else {},
        published=calibration.beside(values.cell, name, trained=bool(values.recipe.signals)),
        outcomes=outcomes,
        compression=tables.read(layout.compression(name), COMPRESSION),
        asked=failed.profile(WORKSPACE, name, values.cell.query_view, tests),
    )


def _runs(landscape: str, query: str) -> dict[str, pd.DataFrame]:
    """The ranking of one query by each system; an optional system without rows is left out."""
    paths = {system: path for system in RETRIEVAL if (path := layout.run(landscape, system)).exists()}
    columns = ["query_id", "family_id", "rank"]
    runs = {system: tables.read(path, RUN, columns, ("query_id", query)) for system, path in paths.items()}
    return {system: run for system, run in runs.items() if len(run) or system not in OPTIONAL}


def _costs(where: str) -> dict[str, dict[str, object]]:
    folder = layout.cost("any", where).parent
    return {path.stem: read_json(path) for path in sorted(folder.glob("*.json"))}
