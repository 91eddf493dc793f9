"""The cell at hand in the formats of others: TREC files, MTEB results, a model folder, tables as CSV or LaTeX.

Another cell is exported after `dvc exp apply NAME`; everything lands in exports/, which git ignores.
"""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError, nearest, run
from patent_embeddings.grid.comparisons import HEADLINE

if TYPE_CHECKING:
    pass

app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=True)

OUT = Path("exports")
Out = Annotated[Path, typer.Option(help="Folder to write to.")]


@app.command()
def trec(out: Out = OUT / "trec") -> None:
    """Write a run file for each system and qrels of the test queries for each scope, by landscape."""

    from patent_embeddings.core import params, tables
    from patent_embeddings.core.files import write_text
    from patent_embeddings.corpus.pool import reachable
    from patent_embeddings.corpus.schemas import POOL, QRELS, QUERIES
    from patent_embeddings.evaluation.outcomes import RETRIEVAL
    from patent_embeddings.handover.export import qrels_text, run_text, scopes
    from patent_embeddings.retrieval.schemas import RUN

    cell = params.load()
    for landscape in cell.evaluate_on:
        queries = tables.read(layout.task(landscape, "queries"), QUERIES)
        qrels = tables.read(layout.task(landscape, "qrels"), QRELS)
        pool = tables.read(layout.task(landscape, "pool"), POOL)
        reach = reachable(qrels, pool, earlier=cell.tasks.pool == "earlier")
        tests = qrels["query_id"].isin(queries.loc[queries["split"] == "test", "query_id"])
        for scope, rows in scopes(qrels.assign(reachable=reach)[tests]).items():
            write_text(out / landscape / f"qrels.{scope}.txt", qrels_text(rows))
        for system in RETRIEVAL:
            if layout.run(landscape, system).exists():
                found = tables.read(layout.run(landscape, system), RUN)
                if found.empty:  # no reranker was chosen
                    continue
                write_text(out / landscape / f"{system}.run", run_text(found, system))
    print(f"{out}: try `ir_measures {out}/LANDSCAPE/qrels.all.txt {out}/LANDSCAPE/dense.run nDCG@10`")


@app.command()
def mteb(out: Out = OUT / "mteb") -> None:
    """Write MTEB's result files of the dense run, the probe and k-means: a folder that `mteb` reads as its cache."""

    from patent_embeddings.core import params
    from patent_embeddings.core.files import write_json
    from patent_embeddings.encoders.entries import model_entry
    from patent_embeddings.evaluation import scores as scores_
    from patent_embeddings.grid.experiments import digest
    from patent_embeddings.handover.export import _commit, _meta, task_name, task_result
    from patent_embeddings.pairs.entries import recipe_entry

    cell = params.load()
    model = model_entry(cell.model)
    sources = cell.trained_on(recipe_entry(cell.recipe))
    tuned = bool(sources)
    name = f"{model.hub}-{cell.recipe}-{'+'.join(sources)}" if tuned else model.hub
    # Views, folds and options of one model are results of their own.
    revision = f"{_commit('%H') if tuned else model.revision or 'none-pinned'}-{digest(cell)}"
    folder = out / "results" / name.replace("/", "__").replace(" ", "_") / revision
    named = {landscape: task_name(landscape, "") for landscape in cell.evaluate_on}
    for one, other in itertools.combinations(named, 2):
        if named[one] == named[other]:
            raise UserError(f"landscapes {one} and {other} would both be {named[one]} to mteb; rename one of them")
    write_json(folder / "model_meta.json", _meta(cell, name, revision))
    scores = scores_.read_scores()
    for (landscape, task), rows in scores.groupby(["landscape", "task"]):
        ours = rows[rows["system"] == HEADLINE[str(task)][0]]
        if len(ours):
            title = task_name(str(landscape), str(task))
            write_json(folder / f"{title}.json", task_result(ours, title, str(landscape), cell))
    print(f"{out}: results of {name}, revision {revision}")


@app.command()
def model(out: Out = OUT / "model") -> None:
    """Write a model folder as the Hugging Face hub has them: the adapter, and a card with its scores."""

    from patent_embeddings.core import params
    from patent_embeddings.core.files import replacing
    from patent_embeddings.encoders.entries import model_entry
    from patent_embeddings.evaluation import scores as scores_
    from patent_embeddings.handover.export import card
    from patent_embeddings.pages import summary
    from patent_embeddings.pairs.entries import recipe_entry
    from patent_embeddings.training import adapters

    cell = params.load()
    if not recipe_entry(cell.recipe).signals:
        raise UserError(f"recipe {cell.recipe!r} trains nothing: there is no adapter; `dvc exp apply` a tuned cell first")  # fmt: skip
    if cell.embed.adapter_scale == 0:
        raise UserError(
            "embed.adapter_scale is 0: what was scored is the model as published; set another part of the adapter"
        )
    if adapters.held(layout.ADAPTER) is None:
        raise UserError(f"{layout.ADAPTER}: no adapter here; run `dvc repro` first")
    if out.exists() and adapters.held(out) is None:
        raise UserError(f"{out}: exists and is no model folder of an earlier export; name another with --out")
    scores = scores_.read_scores()
    with replacing(out) as folder:
        seal = shutil.ignore_patterns(adapters.SEAL)  # of what may be weighed anew here
        shutil.copytree(layout.ADAPTER, folder, copy_function=shutil.copyfile, ignore=seal)
        if cell.embed.adapter_scale != 1:
            adapters.weigh(folder, cell.embed.adapter_scale)
        (folder / "README.md").write_text(
            card(cell, scores, summary.kept_at(recipe_entry(cell.recipe))), encoding="utf-8"
        )
    print(f"{out}: load it with SentenceTransformer({model_entry(cell.model).hub!r}).load_adapter({str(out)!r})")


@app.command()
def table(
    name: Annotated[str, typer.Argument(help="A table of the cell's page, or `grid-...` of the grid's page.")],
    form: Annotated[Literal["csv", "latex"], typer.Option("--format", help="Of the file.")] = "csv",
    out: Out = OUT / "tables",
) -> None:
    """Write a table of a page as CSV or LaTeX (booktabs)."""

    from patent_embeddings.core.files import write_text
    from patent_embeddings.handover.export import _tables, comma_separated, latex

    makers = _tables()
    if name not in makers:
        raise UserError(f"no table {name!r}{nearest(name, list(makers))}; tables: {', '.join(makers)}")
    shown = makers[name]()
    if shown is None:
        raise UserError(f"table {name!r}: nothing was measured that would fill it")
    path = out / f"{name}.{'tex' if form == 'latex' else 'csv'}"
    write_text(path, latex(shown) if form == "latex" else comma_separated(shown))
    print(path)


if __name__ == "__main__":
    run(app)
