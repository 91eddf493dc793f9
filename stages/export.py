"""The cell at hand in the formats of others: TREC files, MTEB results, a model folder, tables as CSV or LaTeX.

Another cell is exported after `dvc exp apply NAME`; everything lands in exports/, which git ignores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from patent_embeddings.core.running import run

app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=True)

OUT = Path("exports")
Out = Annotated[Path, typer.Option(help="Folder to write to.")]


@app.command()
def trec(out: Out = OUT / "trec") -> None:
    """Write a run file for each system and qrels of the test queries for each scope, by landscape."""
    from patent_embeddings.core import params
    from patent_embeddings.corpus.entries import landscape_entry
    from patent_embeddings.handover import trec

    cell = params.load()
    for landscape in cell.evaluate_on:
        judged = landscape_entry(landscape).relevance == "judged"
        trec.write(out / landscape, landscape, earlier=cell.tasks.pool == "earlier", judged=judged)
    print(f"{out}: try `ir_measures {out}/LANDSCAPE/qrels.all.txt {out}/LANDSCAPE/dense.run nDCG@10`")


@app.command()
def mteb(out: Out = OUT / "mteb") -> None:
    """Write MTEB's result files of the dense run, the probe and k-means: a folder that `mteb` reads as its cache."""
    from patent_embeddings.core import params
    from patent_embeddings.core.git import git
    from patent_embeddings.evaluation.scores import read_scores
    from patent_embeddings.grid.cell import digest
    from patent_embeddings.handover import mteb
    from patent_embeddings.handover.subject import subject

    cell = subject(params.load())
    commit, date = git("log", "-1", "--format=%H %cI").split()
    print(f"{out}: results of {mteb.write(out, cell, read_scores(), digest(cell.params), (commit, date))}")


@app.command()
def model(out: Out = OUT / "model") -> None:
    """Write a model folder as the Hugging Face hub has them: the adapter, and a card with its scores."""
    from patent_embeddings.core import params
    from patent_embeddings.evaluation.scores import read_scores
    from patent_embeddings.handover import model
    from patent_embeddings.handover.subject import subject

    cell = subject(params.load())
    model.write(out, cell, read_scores())
    print(f"{out}: load it with SentenceTransformer({cell.model.hub!r}).load_adapter({str(out)!r})")


@app.command()
def table(
    name: Annotated[str, typer.Argument(help="A table of the cell's page, or `grid-...` of the grid's page.")],
    form: Annotated[Literal["csv", "latex"], typer.Option("--format", help="Of the file.")] = "csv",
    out: Out = OUT / "tables",
) -> None:
    """Write a table of a page as CSV or LaTeX (booktabs)."""
    from patent_embeddings.core import params
    from patent_embeddings.core.files import write_text
    from patent_embeddings.handover.latex import latex
    from patent_embeddings.handover.spreadsheet import comma_separated
    from patent_embeddings.pages.sheets import sheet

    text, suffix = {"csv": (comma_separated, "csv"), "latex": (latex, "tex")}[form]
    path = out / f"{name}.{suffix}"
    write_text(path, text(sheet(name, params.load())))
    print(path)


if __name__ == "__main__":
    run(app)
