"""The cell at hand in the formats of others: TREC files, MTEB results, a model folder, tables as CSV or LaTeX.

Another cell is exported after `dvc exp apply NAME`; everything lands in exports/, which git ignores.
"""

from __future__ import annotations

import io
import itertools
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stages import layout
from stages.contrasts import HEADLINE
from stages.errors import UserError, nearest, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from stages.page.shell import Table
    from stages.params import Params

app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=True)

OUT = Path("exports")
MTEB = {
    "nDCG@10": "ndcg_at_10", "nDCG@100": "ndcg_at_100", "R@100": "recall_at_100", "AP": "map_at_1000", "RR": "mrr_at_1000",
    "micro-F1": "f1_micro", "macro-F1": "f1", "LRAP": "lrap", "V-measure": "v_measure", "AMI": "ami", "ARI": "ari",
}  # fmt: skip
LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
)
Out = Annotated[Path, typer.Option(help="Folder to write to.")]


@app.command()
def trec(out: Out = OUT / "trec") -> None:
    """Write a run file for each system and qrels of the test queries for each scope, by landscape."""
    from stages import params, tables
    from stages.files import write_text
    from stages.metrics import RETRIEVAL
    from stages.ranking import reachable

    cell = params.load()
    for landscape in cell.evaluate_on:
        queries = tables.read(layout.task(landscape, "queries"), tables.QUERIES)
        qrels = tables.read(layout.task(landscape, "qrels"), tables.QRELS)
        pool = tables.read(layout.task(landscape, "pool"), tables.POOL)
        reach = reachable(qrels, pool, earlier=cell.tasks.pool == "earlier")
        tests = qrels["query_id"].isin(queries.loc[queries["split"] == "test", "query_id"])
        for scope, rows in scopes(qrels.assign(reachable=reach)[tests]).items():
            write_text(out / landscape / f"qrels.{scope}.txt", qrels_text(rows))
        for system in RETRIEVAL:
            if layout.run(landscape, system).exists():
                found = tables.read(layout.run(landscape, system), tables.RUN)
                if found.empty:  # no reranker was chosen
                    continue
                write_text(out / landscape / f"{system}.run", run_text(found, system))
    print(f"{out}: try `ir_measures {out}/LANDSCAPE/qrels.all.txt {out}/LANDSCAPE/dense.run nDCG@10`")


def scopes(qrels: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Relevant pairs of the queries that are scored, by the scopes of reports/scores.csv; a scope without any is left out.

    Args:
        qrels: rows of `tables.QRELS` and whether the pair is `reachable`: a query without such a pair has no score.
    """
    relevant = qrels[qrels["relevance"] > 0]
    parts = {"all": relevant, **{scope: relevant[relevant["scope"] == scope] for scope in ("in", "out")}}
    parts = {
        scope: rows[rows["query_id"].isin(rows.loc[rows["reachable"], "query_id"])] for scope, rows in parts.items()
    }
    both = set(parts["in"]["query_id"]) & set(parts["out"]["query_id"])
    parts |= {f"{scope}-paired": parts[scope][parts[scope]["query_id"].isin(list(both))] for scope in ("in", "out")}
    return {scope: rows for scope, rows in parts.items() if len(rows)}


def run_text(found: pd.DataFrame, tag: str) -> str:
    """A run as TREC has it. The rank decides with us, ties with others: scores are written as falling integers.

    Args:
        found: rows of `tables.RUN`.
        tag: name of the run.

    Raises:
        UserError: an id holds white space, which TREC's format cannot carry.
    """
    _check_ids(found, ("query_id", "family_id"))
    depth = int(found["rank"].max()) if len(found) else 0
    lines = found.assign(q0="Q0", falling=depth + 1 - found["rank"], tag=tag)
    return _columns(lines[["query_id", "q0", "family_id", "rank", "falling", "tag"]])


def qrels_text(rows: pd.DataFrame) -> str:
    """Judgements as TREC has them. Raises UserError as `run_text` does."""
    _check_ids(rows, ("query_id", "family_id"))
    return _columns(rows.assign(iteration=0)[["query_id", "iteration", "family_id", "relevance"]])


def _check_ids(rows: pd.DataFrame, columns: tuple[str, ...]) -> None:
    for column in columns:
        bad = rows.loc[rows[column].str.contains(r"\s", regex=True), column]
        if len(bad):
            raise UserError(f"{column} {bad.iloc[0]!r:.60}: TREC files cannot carry ids with white space; export a landscape without them")  # fmt: skip


def _columns(rows: pd.DataFrame) -> str:
    # Not as CSV, which would quote an id with a quotation mark.
    return "".join(" ".join(map(str, row)) + "\n" for row in rows.itertuples(index=False))


@app.command()
def mteb(out: Out = OUT / "mteb") -> None:
    """Write MTEB's result files of the dense run, the probe and k-means: a folder that `mteb` reads as its cache."""
    from stages import params, registry, summary
    from stages.files import write_json
    from stages.grid.experiments import digest

    cell = params.load()
    model = registry.model(cell.model)
    sources = cell.trained_on(registry.recipe(cell.recipe))
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
    scores = summary.read_scores()
    for (landscape, task), rows in scores.groupby(["landscape", "task"]):
        ours = rows[rows["system"] == HEADLINE[str(task)][0]]
        if len(ours):
            title = task_name(str(landscape), str(task))
            write_json(folder / f"{title}.json", task_result(ours, title, str(landscape), cell))
    print(f"{out}: results of {name}, revision {revision}")


def task_name(landscape: str, task: str) -> str:
    """Name of a landscape's task among MTEB's: `SimAlphaPatentRetrieval`."""
    return f"{''.join(word.capitalize() for word in landscape.split('-'))}Patent{task.capitalize()}"


def task_result(rows: pd.DataFrame, title: str, landscape: str, cell: Params) -> dict[str, Any]:
    """One task's result in MTEB's form; scopes and label sets are its subsets, the first of them its headline one.

    Args:
        rows: the scores of one system on one landscape's task.
        title: name of the task.
        landscape: its id.
        cell: its parameters, kept in the file with the versions that can change numbers.
    """
    from stages.summary import HEADLINE_LABELS, records

    order = {name: place for place, name in enumerate(("all", *HEADLINE_LABELS))}
    subsets = []
    for scope in sorted(set(rows["scope"]), key=lambda name: (order.get(name, len(order)), name)):
        part = {row["metric"]: row for row in records(rows[rows["scope"] == scope])}
        task = str(rows["task"].iloc[0])
        values = {MTEB[metric]: row["value"] for metric, row in part.items()}
        intervals = {
            MTEB[metric]: [row["ci_low"], row["ci_high"]]
            for metric, row in part.items()
            if row["ci_low"] == row["ci_low"]
        }
        subsets.append({**values, "main_score": part[HEADLINE[task][1]]["value"], "hf_subset": scope, "languages": languages([landscape]),
                        "n": part[HEADLINE[task][1]]["n"], "interval_95": intervals})  # fmt: skip
    seconds = [record["seconds"] for record in (_cost(stage, landscape) for stage in ("embed", "search", "metrics")) if record]  # fmt: skip
    return {
        "task_name": title,
        "dataset_revision": dataset_revision(landscape),
        "mteb_version": None,  # MTEB wrote nothing of this
        "scores": {"test": subsets},
        "evaluation_time": round(sum(seconds), 2) if seconds else None,
        "date": _commit("%cI"),
        "parameters": cell.model_dump(mode="json"),
        "versions": versions(),
    }


def languages(landscapes: Sequence[str]) -> list[str]:
    """Languages of the texts, as mteb writes them; none where one of the landscapes is a file of the user's, which does not say."""
    from stages import registry

    told = all(registry.landscape(name).source != "table" for name in landscapes)
    return ["eng-Latn"] if told else []  # every other source is of English texts


def dataset_revision(landscape: str) -> str:
    """What pins a landscape's data: the commit or hash of its registry entry, or the seed of the generator."""
    from stages import registry

    entry = registry.landscape(landscape).model_dump()
    for key in ("revision", "commit", "sha256"):
        if entry.get(key):
            return str(entry[key])
    return f"seed-{entry['seed']}-families-{entry['families']}"


def versions() -> dict[str, str]:
    """Versions of the libraries that can change numbers, from environment.lock."""
    lines = Path("environment.lock").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))


def _meta(cell: Params, name: str, revision: str) -> dict[str, Any]:
    from stages import registry

    model = registry.model(cell.model)
    return {
        "name": name, "revision": revision, "license": model.licence, "n_parameters": round(model.parameters * 1e6),
        "embed_dim": model.dimension, "max_tokens": cell.embed.length or model.length, "base_model": model.hub,
        "base_revision": model.revision, "prompts": model.prompts.model_dump(), "framework": ["Sentence Transformers", "PyTorch"],
    }  # fmt: skip


@app.command()
def model(out: Out = OUT / "model") -> None:
    """Write a model folder as the Hugging Face hub has them: the adapter, and a card with its scores."""
    from stages import adapters, params, registry, summary
    from stages.files import replacing

    cell = params.load()
    if not registry.recipe(cell.recipe).signals:
        raise UserError(f"recipe {cell.recipe!r} trains nothing: there is no adapter; `dvc exp apply` a tuned cell first")  # fmt: skip
    if cell.embed.adapter_scale == 0:
        raise UserError(
            "embed.adapter_scale is 0: what was scored is the model as published; set another part of the adapter"
        )
    if adapters.held(layout.ADAPTER) is None:
        raise UserError(f"{layout.ADAPTER}: no adapter here; run `dvc repro` first")
    if out.exists() and adapters.held(out) is None:
        raise UserError(f"{out}: exists and is no model folder of an earlier export; name another with --out")
    scores = summary.read_scores()
    with replacing(out) as folder:
        seal = shutil.ignore_patterns(adapters.SEAL)  # of what may be weighed anew here
        shutil.copytree(layout.ADAPTER, folder, copy_function=shutil.copyfile, ignore=seal)
        if cell.embed.adapter_scale != 1:
            adapters.weigh(folder, cell.embed.adapter_scale)
        (folder / "README.md").write_text(
            card(cell, scores, summary.kept_at(registry.recipe(cell.recipe))), encoding="utf-8"
        )
    print(f"{out}: load it with SentenceTransformer({registry.model(cell.model).hub!r}).load_adapter({str(out)!r})")


def card(cell: Params, scores: pd.DataFrame, kept: float | None = None) -> str:
    """Model card: what it was trained on and how, its scores at home and abroad, and under which licences.

    Args:
        cell: its parameters.
        scores: rows of reports/scores.csv.
        kept: weight that training kept the adapter with, as `summary.kept_at` gives it.
    """
    import yaml

    from stages import registry

    weight = (1.0 if kept is None else kept) * cell.embed.adapter_scale
    entry, recipe = registry.model(cell.model), registry.recipe(cell.recipe)
    homes = cell.trained_on(recipe)
    front = {
        "base_model": entry.hub, "library_name": "sentence-transformers", "license": entry.licence,
        **({"language": "en"} if languages(homes) else {}),
        "tags": ["sentence-transformers", "peft", "lora", "patents", "feature-extraction"], "pipeline_tag": "feature-extraction",
    }  # fmt: skip
    shown = [
        [f"{row['landscape']}{' (home)' if row['landscape'] in homes else ''}", row["task"], row["scope"], row["metric"],
         f"{row['value']:.4f}", f"{row['ci_low']:.4f} to {row['ci_high']:.4f}" if row["ci_low"] == row["ci_low"] else "-", str(row["n"])]
        for row in headline(scores)
    ]  # fmt: skip
    table = ["| landscape | task | scope | metric | score | 95 % interval | n |", "|---|---|---|---|---|---|---|"]
    table += [f"| {' | '.join(line)} |" for line in shown]
    simulated = [name for name in cell.evaluate_on if registry.landscape(name).simulated]
    warning = ["", f"**Simulated landscapes: {', '.join(simulated)}.** Their scores say nothing about real patents."] if simulated else []  # fmt: skip
    prompts = ", ".join(f"{side} `{text}`" for side, text in (("query", entry.prompts.query), ("document", entry.prompts.document)) if text)  # fmt: skip
    lines = [
        "---", yaml.safe_dump(front, sort_keys=False).strip(), "---", "",
        f"# {cell.model} tuned with {cell.recipe} on {', '.join(homes)}", "",
        f"LoRA adapter of [{entry.hub}](https://huggingface.co/{entry.hub}), revision `{entry.revision}`, for patent families.", "",
        f"- Recipe {cell.recipe}: {recipe.description}",
        *[f"- Training landscape {name}: {registry.landscape(name).description}" for name in homes],
        f"- {cell.finetune.pairs} pairs asked for, {cell.finetune.steps} steps of {cell.finetune.batch}, seed {cell.finetune.seed}, texts cut at {cell.finetune.length} tokens",
        f"- Evaluated with view {cell.query_view} for queries and {cell.document_view} for documents, cut at {cell.embed.length or entry.length} tokens",
        f"- Prompts: {prompts or 'none'}",
        *([f"- The adapter is kept at {weight:g} of what was trained"] if weight != 1 else []),
        "", "## Scores", "", "Test split; the landscape of training is marked as home.", *warning, "", *table,
        "", "## Licences", "",
        f"- Base model: {entry.licence}",
        *[f"- {name}: {registry.landscape(name).licence}" for name in sorted(cell.evaluate_on)], "",
    ]  # fmt: skip
    return "\n".join(lines)


def headline(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """The main metric of the dense run, the probe and k-means, for every scope and label set."""
    from stages.summary import records

    # V-measure, which leads at MTEB, says little without its floor of random vectors.
    leading = HEADLINE | {"clustering": ("kmeans", "AMI")}
    return [row for row in records(scores) if leading[row["task"]] == (row["system"], row["metric"])]


@app.command()
def table(
    name: Annotated[str, typer.Argument(help="A table of the cell's page, or `grid-...` of the grid's page.")],
    form: Annotated[Literal["csv", "latex"], typer.Option("--format", help="Of the file.")] = "csv",
    out: Out = OUT / "tables",
) -> None:
    """Write a table of a page as CSV or LaTeX (booktabs)."""
    from stages.files import write_text

    makers = _tables()
    if name not in makers:
        raise UserError(f"no table {name!r}{nearest(name, list(makers))}; tables: {', '.join(makers)}")
    shown = makers[name]()
    if shown is None:
        raise UserError(f"table {name!r}: nothing was measured that would fill it")
    path = out / f"{name}.{'tex' if form == 'latex' else 'csv'}"
    write_text(path, latex(shown) if form == "latex" else comma_separated(shown))
    print(path)


def _tables() -> dict[str, Any]:
    """Makers of every table of both pages, by name."""

    def of_cell(make: Any) -> Any:
        from stages import params, report

        return make(report.gather(params.load()))

    def of_grid(make: Any) -> Any:
        from stages.grid import gather
        from stages.grid.report import comparisons

        grid = gather.load(gather.current())
        return make(grid, comparisons(grid))

    from stages.grid import page as grids
    from stages.page import cell as cells
    from stages.summary import CLASSIFICATION, CLUSTERING

    return {
        "retrieval": lambda: of_cell(cells.retrieval),
        "inout": lambda: of_cell(cells.inout),
        "fusion": lambda: of_cell(cells.fusion),
        "classification": lambda: of_cell(lambda one: cells.against_floor(one, "classification", ("micro-F1", "macro-F1", "LRAP"), CLASSIFICATION)),
        "clustering": lambda: of_cell(lambda one: cells.against_floor(one, "clustering", ("V-measure", "AMI", "ARI"), CLUSTERING)),
        "costs": lambda: of_cell(cells.costs),
        "licences": lambda: of_cell(cells.licences),
        "grid-cells": lambda: of_grid(grids.cells),
        "grid-comparisons": lambda: of_grid(lambda grid, tested: grids.comparisons(tested)),
        "grid-costs": lambda: of_grid(lambda grid, tested: grids.costs(grid)),
    }  # fmt: skip


def comma_separated(shown: Table) -> str:
    """A table as CSV; a score takes three columns, its value and both bounds; no cell is a formula."""
    import csv

    from stages.page.shell import Score
    from stages.sheets import plain

    scored = [any(isinstance(row[place], Score) for row in shown.rows) for place in range(len(shown.head))]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name for head, wide in zip(shown.head, scored, strict=True) for name in ((head, f"{head} low", f"{head} high") if wide else (head,))])  # fmt: skip
    for row in shown.rows:
        cells: list[Any] = []
        for value, wide in zip(row, scored, strict=True):
            if isinstance(value, Score):
                cells += [value.value, value.low, value.high]
            else:
                cells += ["" if value is None else value, *(["", ""] if wide else [])]
        writer.writerow(["" if isinstance(cell, float) and cell != cell else plain(cell) for cell in cells])
    return text.getvalue()


def latex(shown: Table) -> str:
    """A table as LaTeX, for a document that uses booktabs; everything in it is escaped."""
    import pandas as pd

    rows = [[_words(value) for value in row] for row in shown.rows]
    columns = "l" * shown.texts + "r" * (len(shown.head) - shown.texts)
    return pd.DataFrame(rows, columns=list(shown.head)).to_latex(index=False, escape=True, column_format=columns, caption=shown.caption.translate(LATEX) or None)  # fmt: skip


def _words(value: Any) -> str:
    from stages.page.shell import Score

    if isinstance(value, Score):
        return f"{value.value:.4f}" + (f" [{value.low:.3f}, {value.high:.3f}]" if value.low == value.low else "")
    if value is None:
        return "--"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cost(stage: str, landscape: str) -> dict[str, Any] | None:
    path = layout.cost(stage, landscape)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _commit(form: str) -> str:
    from stages.grid.experiments import git

    return git("log", "-1", f"--format={form}").strip()


if __name__ == "__main__":
    run(app)
