"""Export the current cell for other programs: a search system, a model, vectors, data sets, run files, tables.

To export another cell, run `dvc exp apply NAME` first. Exports go to exports/, which git ignores.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from patent_embeddings.core.command import run

if TYPE_CHECKING:
    from patent_embeddings.handover.exported_cell import Subject

app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=True)

OUT = Path("exports")
Out = Annotated[Path, typer.Option(help="Folder to write to.")]
Landscape = Annotated[str | None, typer.Option(help="A landscape of the cell; by default all of them.")]


def _cell(*stages: str, landscape: str | None = None) -> tuple[Subject, list[str]]:
    """The current cell and the landscapes to export, after a check that these stages are up to date.

    A stage is named as `report`, or as `metrics@` for each landscape.
    """
    from patent_embeddings.core import params
    from patent_embeddings.grid.freshness import require_current
    from patent_embeddings.handover.exported_cell import subject

    cell = subject(params.load())
    names = cell.chosen(landscape)
    every = [stage + name for stage in stages for name in (names if stage.endswith("@") else [""])]
    require_current(cell.params, *every)
    return cell, names


def _each(kind: Any, out: Path, *stages: str, landscape: str | None = None) -> None:
    """Write a folder for each landscape by a module of `handover`; those of landscapes no longer evaluated go."""
    from patent_embeddings.handover.exported_cell import drop_others

    cell, names = _cell(*stages, landscape=landscape)
    for name in names:
        print(f"{out / name}: {kind.write(out / name, name, cell)}")
    drop_others(out, kind.MARKS, kind.FILES, cell.params.evaluate_on)


@app.command()
def trec(out: Out = OUT / "trec") -> None:
    """Write a run file for each system and qrels of the test queries for each scope, by landscape."""
    from patent_embeddings.handover import trec

    _each(trec, out, "metrics@")


@app.command()
def mteb(out: Out = OUT / "mteb") -> None:
    """Write scores of the dense run, the probe and k-means as MTEB's result files, which `mteb` reads as its cache."""
    from patent_embeddings.core.git import git
    from patent_embeddings.evaluation.scores import read_scores
    from patent_embeddings.grid.cell import digest
    from patent_embeddings.handover import mteb

    cell, _ = _cell("report")
    commit, date = git("log", "-1", "--format=%H %cI").split()
    print(f"{out}: results of {mteb.write(out, cell, read_scores(), digest(cell.params), (commit, date))}")


@app.command()
def model(
    out: Out = OUT / "model",
    merged: Annotated[
        bool, typer.Option("--merged", help="Write the whole model, with the adapter merged into its weights.")
    ] = False,
) -> None:
    """Write a model folder for the Hugging Face hub: the adapter, or the whole model, and a card."""
    from patent_embeddings.evaluation.scores import read_scores
    from patent_embeddings.handover import model

    cell, _ = _cell("report")
    if merged:
        from patent_embeddings.handover import merged_model  # torch, which takes seconds

        print(f"{out}: load it with {merged_model.write(out, cell, read_scores())}({str(out)!r})")
    else:
        model.write(out, cell, read_scores())
        print(f"{out}: load it with SentenceTransformer({cell.model.hub!r}).load_adapter({str(out)!r})")


@app.command()
def vectors(out: Out = OUT / "vectors", landscape: Landscape = None) -> None:
    """Write the documents' vectors with their ids, as parquet and as faiss indexes, and the loss of each index."""
    from patent_embeddings.handover import vectors

    _each(vectors, out, "metrics@", landscape=landscape)


@app.command()
def dataset(out: Out = OUT / "dataset", landscape: Landscape = None) -> None:
    """Write queries, corpus and judgements, as a folder of the Hugging Face hub and as BEIR's files."""
    from patent_embeddings.handover import dataset

    _each(dataset, out, "views@", "tasks@", landscape=landscape)


@app.command()
def system(
    out: Out = OUT / "system",
    landscape: Annotated[
        str | None, typer.Option(help="A landscape of the cell; by default `landscape` of params.yaml.")
    ] = None,
) -> None:
    """Write a search system: one folder that ranks a landscape's families without this repository."""
    from patent_embeddings.core import params
    from patent_embeddings.evaluation.scores import read_scores
    from patent_embeddings.handover.system import writer

    name = landscape or params.load().landscape
    cell, _ = _cell("report", landscape=name)
    settings = writer.write(out, name, cell, read_scores())
    print(f"{out}: ranks {name} by {settings['system']}; try `python {out}/{writer.SCRIPT} 'a valve that ...'`")


@app.command()
def table(
    name: Annotated[str, typer.Argument(help="A table of the cell's page, or `grid-...` of the grid's page.")],
    form: Annotated[Literal["csv", "latex"], typer.Option("--format", help="Format of the file.")] = "csv",
    out: Out = OUT / "tables",
) -> None:
    """Write a table of a page as CSV or LaTeX (booktabs)."""
    from patent_embeddings.core import params
    from patent_embeddings.core.files import write_text
    from patent_embeddings.grid.freshness import require_current
    from patent_embeddings.handover.sheets import latex
    from patent_embeddings.handover.spreadsheet import comma_separated
    from patent_embeddings.pages.cell.page import SHEETS
    from patent_embeddings.pages.sheets import sheet

    cell = params.load()
    if name in SHEETS:  # tables of a grid are read from experiments
        require_current(cell, "report")
    text, suffix = {"csv": (comma_separated, "csv"), "latex": (latex, "tex")}[form]
    path = out / f"{name}.{suffix}"
    write_text(path, text(sheet(name, cell)))
    print(path)


if __name__ == "__main__":
    run(app)
