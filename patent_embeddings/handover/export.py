"""The cell at hand in the formats of others: TREC files, MTEB results, a model folder, tables as CSV or LaTeX.

Another cell is exported after `dvc exp apply NAME`; everything lands in exports/, which git ignores.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from patent_embeddings.core import layout, params
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.entries import landscape_entry
from patent_embeddings.encoders.entries import model_entry
from patent_embeddings.evaluation.scores import records
from patent_embeddings.evaluation.systems import CLASSIFICATION, CLUSTERING, HEADLINE_LABELS
from patent_embeddings.grid import gather
from patent_embeddings.grid.comparisons import HEADLINE
from patent_embeddings.grid.experiments import git
from patent_embeddings.handover.sheets import plain
from patent_embeddings.pages import grid as grids
from patent_embeddings.pages import report
from patent_embeddings.pages.grid_report import comparisons
from patent_embeddings.pages.shell import Score
from patent_embeddings.pairs.entries import recipe_entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from patent_embeddings.core.params import Params
    from patent_embeddings.pages.shell import Table
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


def scopes(qrels: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Relevant pairs of the queries that are scored, by the scopes of reports/scores.csv; a scope without any is left out.

    Args:
        qrels: rows of `QRELS` and whether the pair is `reachable`: a query without such a pair has no score.
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
        found: rows of `RUN`.
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

    told = all(landscape_entry(name).source != "table" for name in landscapes)
    return ["eng-Latn"] if told else []  # every other source is of English texts


def dataset_revision(landscape: str) -> str:
    """What pins a landscape's data: the commit or hash of its registry entry, or the seed of the generator."""

    entry = landscape_entry(landscape).model_dump()
    for key in ("revision", "commit", "sha256"):
        if entry.get(key):
            return str(entry[key])
    return f"seed-{entry['seed']}-families-{entry['families']}"


def versions() -> dict[str, str]:
    """Versions of the libraries that can change numbers, from environment.lock."""
    lines = Path("environment.lock").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))


def _meta(cell: Params, name: str, revision: str) -> dict[str, Any]:

    model = model_entry(cell.model)
    return {
        "name": name, "revision": revision, "license": model.licence, "n_parameters": round(model.parameters * 1e6),
        "embed_dim": model.dimension, "max_tokens": cell.embed.length or model.length, "base_model": model.hub,
        "base_revision": model.revision, "prompts": model.prompts.model_dump(), "framework": ["Sentence Transformers", "PyTorch"],
    }  # fmt: skip


def card(cell: Params, scores: pd.DataFrame, kept: float | None = None) -> str:
    """Model card: what it was trained on and how, its scores at home and abroad, and under which licences.

    Args:
        cell: its parameters.
        scores: rows of reports/scores.csv.
        kept: weight that training kept the adapter with, as `summary.kept_at` gives it.
    """

    weight = (1.0 if kept is None else kept) * cell.embed.adapter_scale
    entry, recipe = model_entry(cell.model), recipe_entry(cell.recipe)
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
    simulated = [name for name in cell.evaluate_on if landscape_entry(name).simulated]
    warning = ["", f"**Simulated landscapes: {', '.join(simulated)}.** Their scores say nothing about real patents."] if simulated else []  # fmt: skip
    prompts = ", ".join(f"{side} `{text}`" for side, text in (("query", entry.prompts.query), ("document", entry.prompts.document)) if text)  # fmt: skip
    lines = [
        "---", yaml.safe_dump(front, sort_keys=False).strip(), "---", "",
        f"# {cell.model} tuned with {cell.recipe} on {', '.join(homes)}", "",
        f"LoRA adapter of [{entry.hub}](https://huggingface.co/{entry.hub}), revision `{entry.revision}`, for patent families.", "",
        f"- Recipe {cell.recipe}: {recipe.description}",
        *[f"- Training landscape {name}: {landscape_entry(name).description}" for name in homes],
        f"- {cell.finetune.pairs} pairs asked for, {cell.finetune.steps} steps of {cell.finetune.batch}, seed {cell.finetune.seed}, texts cut at {cell.finetune.length} tokens",
        f"- Evaluated with view {cell.query_view} for queries and {cell.document_view} for documents, cut at {cell.embed.length or entry.length} tokens",
        f"- Prompts: {prompts or 'none'}",
        *([f"- The adapter is kept at {weight:g} of what was trained"] if weight != 1 else []),
        "", "## Scores", "", "Test split; the landscape of training is marked as home.", *warning, "", *table,
        "", "## Licences", "",
        f"- Base model: {entry.licence}",
        *[f"- {name}: {landscape_entry(name).licence}" for name in sorted(cell.evaluate_on)], "",
    ]  # fmt: skip
    return "\n".join(lines)


def headline(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """The main metric of the dense run, the probe and k-means, for every scope and label set."""

    # V-measure, which leads at MTEB, says little without its floor of random vectors.
    leading = HEADLINE | {"clustering": ("kmeans", "AMI")}
    return [row for row in records(scores) if leading[row["task"]] == (row["system"], row["metric"])]


def _tables() -> dict[str, Any]:
    """Makers of every table of both pages, by name."""

    def of_cell(make: Any) -> Any:

        return make(report.gather(params.load()))

    def of_grid(make: Any) -> Any:

        grid = gather.load(gather.current())
        return make(grid, comparisons(grid))

    from patent_embeddings.pages import cell as cells

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

    rows = [[_words(value) for value in row] for row in shown.rows]
    columns = "l" * shown.texts + "r" * (len(shown.head) - shown.texts)
    return pd.DataFrame(rows, columns=list(shown.head)).to_latex(index=False, escape=True, column_format=columns, caption=shown.caption.translate(LATEX) or None)  # fmt: skip


def _words(value: Any) -> str:

    if isinstance(value, Score):
        return f"{value.value:.4f}" + (f" [{value.low:.3f}, {value.high:.3f}]" if value.low == value.low else "")
    if value is None:
        return "--"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cost(stage: str, landscape: str) -> dict[str, Any] | None:
    path = layout.cost(stage, landscape)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _commit(form: str) -> str:

    return git("log", "-1", f"--format={form}").strip()
