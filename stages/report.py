"""Scores -> reports: scores.csv, the headline numbers, pictures and one page for the cell."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from stages import layout
from stages.errors import UserError, run

if TYPE_CHECKING:
    import pandas as pd

    from stages.params import Params
    from stages.summary import Cell, Landscape

app = typer.Typer(add_completion=False)

PICTURED = ("headline", "inout", "fusion")  # those that are also written as PNG


@app.command()
def main(
    show: Annotated[bool, typer.Option("--show", help="Only print the table of the last report.")] = False,
) -> None:
    """Write the report of the cell, and print its short table and the page's path."""
    from stages import anchors, params, registry
    from stages.encoders import weights
    from stages.progress import say

    asked = params.load()
    cell = None
    if show:
        model = registry.model(asked.model)
        # DVC sees the entry and not the folder: the table may be of other weights than are there now.
        if fault := weights.changed(model):
            say(fault)
        calibration = anchors.calibration(asked, model, registry.recipe(asked.recipe))
        with suppress(UserError):  # of a cell that is not here, only the scores are in git
            cell = gather(asked)
    else:
        cell = gather(asked)
        write(cell)
        calibration = cell.calibration
    _print_table(cell, calibration)


def gather(params: Params) -> Cell:
    """Read everything that the cell's stages have written."""
    import pandas as pd

    from stages import anchors, registry, summary, tables
    from stages.summary import Cell

    landscapes = sorted(params.evaluate_on)
    model, recipe = registry.model(params.model), registry.recipe(params.recipe)
    return Cell(
        params=params,
        model=model,
        recipe=recipe,
        views={name: registry.view(name) for name in registry.ids("views")},
        landscapes=[
            _landscape(name, anchors.beside(params, recipe, name), earlier=params.tasks.pool == "earlier")
            for name in landscapes
        ],
        scores=pd.concat([tables.read(layout.scores(name), tables.SCORES) for name in landscapes], ignore_index=True),
        pairs=tables.read(layout.PAIRS, tables.PAIRS),
        seen=tables.read(layout.SEEN, tables.SEEN),
        curve=tables.read(layout.CURVE, tables.CURVE),
        scale=summary.kept_at(recipe),
        calibration=anchors.calibration(params, model, recipe),
        costs={name: _costs(name) for name in (*landscapes, layout.CELL)},
    )


def write(cell: Cell) -> None:
    """Write every file of the report."""
    from stages import charts, summary
    from stages.files import replacing, write_json, write_text
    from stages.page.cell import page

    write_text(layout.SCORES, summary.scores_csv(cell.scores))
    write_json(layout.HEADLINE, summary.headline(cell.scores))
    rows = summary.plots(cell)
    for name in charts.COLUMNS:
        write_text(layout.plot(name), summary.plot_csv(name, rows[name]))
    for name in PICTURED:
        spec = charts.filled(charts.spec(name), [{**row, "rev": cell.name} for row in rows[name]])
        with replacing(layout.figure(name)) as temporary:
            temporary.write_bytes(charts.png(spec))
    write_text(layout.PAGE, page(cell))


def _landscape(name: str, published: pd.DataFrame, *, earlier: bool) -> Landscape:
    from stages import registry, tables
    from stages.ranking import reachable
    from stages.summary import RETRIEVAL, Landscape, example_query

    found = {system: layout.run(name, system) for system in RETRIEVAL}
    queries = tables.read(layout.task(name, "queries"), tables.QUERIES)
    qrels = tables.read(layout.task(name, "qrels"), tables.QRELS)
    pool = tables.read(layout.task(name, "pool"), tables.POOL)
    example = example_query(queries, qrels[reachable(qrels, pool, earlier=earlier)])
    runs = {
        system: tables.read(path, tables.RUN, ["query_id", "family_id", "rank"], ("query_id", example))
        for system, path in found.items()
        if example and path.exists()
    }
    if "reranked" in runs and runs["reranked"].empty:  # no reranker was chosen
        del runs["reranked"]
    return Landscape(
        name=name,
        entry=registry.landscape(name),
        families=tables.read(layout.families(name), tables.FAMILIES, ["family_id", "title", "ipc"]),
        queries=queries,
        qrels=qrels,
        labels=tables.read(layout.task(name, "labels"), tables.LABELS),
        pool=pool,
        lengths=tables.read(layout.lengths(name), tables.LENGTHS),
        fusion=tables.read(layout.fusion(name), tables.FUSION),
        example=example,
        runs=runs,
        published=published,
    )


def _costs(where: str) -> dict[str, dict[str, object]]:
    from stages.files import read_json

    folder = layout.cost("any", where).parent
    return {path.stem: read_json(path) for path in sorted(folder.glob("*.json"))}


def _print_table(cell: Cell | None, calibration: list[str]) -> None:
    from stages import summary
    from stages.page.cell import missing

    print(summary.table(summary.read_scores()))
    lacking = [line for landscape in cell.landscapes for line in missing(cell, landscape)] if cell else []
    for line in [*lacking, *calibration]:
        print(line)
    print(f"page: {layout.PAGE}")


if __name__ == "__main__":
    run(app)
