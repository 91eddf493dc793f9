"""Export scores of the dense run, the probe and k-means as result files of MTEB, in a folder that `mteb` can read."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pandas as pd

from patent_embeddings.core import environment, layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import as_json, read_json, replacing
from patent_embeddings.evaluation.scores import records
from patent_embeddings.evaluation.systems import HEADLINE_LABELS, LEADING, METRICS, label_place
from patent_embeddings.handover.exported_cell import Subject

TIMED = ("embed", "search", "metrics")  # stages that make up MTEB's evaluation time
# Language and script in ISO's codes. mteb averages over the languages of a score: without one the mean is NaN.
ENGLISH, UNKNOWN = "eng-Latn", "und-Zyyy"


def write(out: Path, subject: Subject, scores: pd.DataFrame, digest: str, commit: tuple[str, str]) -> str:
    """Write the folder of the model with one file for each landscape and task; return the model's name and revision.

    Args:
        out: to write to.
        subject: the cell.
        scores: rows of reports/scores.csv.
        digest: of the cell's parameters, so that cells of one model have separate results.
        commit: hash of HEAD, the revision of a fine-tuned model, and its date (ISO), used as that of the results.

    Raises UserError where two landscapes, or two label sets of a landscape, would have one name.
    """
    named = {landscape: task_name(landscape, "") for landscape in subject.params.evaluate_on}
    for one, other in itertools.combinations(named, 2):
        if named[one] == named[other]:
            raise UserError(f"landscapes {one} and {other} would both be {named[one]} to mteb; rename one of them")
    hub, homes = subject.model.hub, subject.homes
    name = f"{hub}-{subject.params.recipe}-{'+'.join(homes)}" if homes else hub
    revision = f"{commit[0] if homes else subject.model.revision or 'none-pinned'}-{digest}"
    files = {"model_meta": model_meta(subject, name, revision)}
    for task, (system, _) in LEADING.items():
        led = scores[(scores["task"] == task) & (scores["system"] == system)]
        for landscape, ours in led.groupby("landscape"):
            scopes = sorted(set(ours["scope"]), key=lambda name: label_place(name, ("all", *HEADLINE_LABELS)))
            # mteb's score of a task is the mean of its subsets, so each scope is a task; the leading one has its name.
            for scope in scopes:
                title = task_name(str(landscape), task, "" if scope == scopes[0] else scope)
                if title in files:  # levels of own labels that differ in case
                    both = f"two label sets of {landscape} would both be {title}"
                    raise UserError(f"{both} to mteb; rename one of them, such as {scope}")
                files[title] = task_result(ours[ours["scope"] == scope], title, subject, commit[1])
    with replacing(out / "results" / name.replace("/", "__").replace(" ", "_") / revision) as folder:
        folder.mkdir()
        for title, content in files.items():
            (folder / f"{title}.json").write_text(as_json(content), encoding="utf-8")
    return f"{name}, revision {revision}"


def task_name(landscape: str, task: str, scope: str = "") -> str:
    """Name of a landscape's task in MTEB: `SimAlphaPatentRetrieval`, or with a scope `SimAlphaPatentRetrievalOut`."""
    words = (word.capitalize() for part in (landscape, "patent", task, scope) for word in part.split("-"))
    return "".join(words)


def task_result(rows: pd.DataFrame, title: str, subject: Subject, date: str) -> dict[str, Any]:
    """Result of one task in MTEB's format.

    `rows` are the scores of one system on one landscape in one scope or label set; `date` is ISO. The result also holds
    the cell's parameters and the versions of the libraries that can change numbers.
    """
    names = {one.name: one.mteb.format(depth=subject.params.search.depth) for one in METRICS}
    scored = {row["metric"]: row for row in records(rows)}
    main = scored[LEADING[rows["task"].iloc[0]][1]]
    landscape = main["landscape"]
    bounds = {name: [row["ci_low"], row["ci_high"]] for name, row in scored.items() if row["ci_low"] == row["ci_low"]}
    subset = {
        **{names[name]: row["value"] for name, row in scored.items()},
        "main_score": main["value"],
        "hf_subset": main["scope"],
        "languages": [ENGLISH if subject.english([landscape]) else UNKNOWN],
        "n": main["n"],
        "interval_95": {names[name]: both for name, both in bounds.items()},
    }
    costs = [path for stage in TIMED if (path := layout.cost(stage, landscape)).exists()]
    return {
        "task_name": title,
        "dataset_revision": dataset_revision(subject.landscapes[landscape].model_dump()),
        "mteb_version": None,  # not computed by MTEB
        "scores": {"test": [subset]},
        "evaluation_time": round(sum(read_json(path)["seconds"] for path in costs), 2) if costs else None,
        "date": date,
        "parameters": subject.params.model_dump(mode="json"),
        "versions": environment.pins(environment.LOCK),
    }


def dataset_revision(entry: dict[str, Any]) -> str:
    """Version of a landscape's data: the commit or hash in its registry entry, or the seed of the generator."""
    for key in ("revision", "commit", "sha256"):
        if entry.get(key):
            own = [entry[one]["sha256"] for one in ("queries", "qrels") if entry.get(one)]
            return "-".join([str(entry[key]), *(digest[:12] for digest in own)])
    return f"seed-{entry['seed']}-families-{entry['families']}"


def model_meta(subject: Subject, name: str, revision: str) -> dict[str, Any]:
    """Metadata of the model in MTEB's format."""
    model = subject.model
    return {
        "name": name,
        "revision": revision,
        "license": model.licence,
        "n_parameters": round(model.parameters * 1e6),
        "embed_dim": model.dimension,
        "max_tokens": model.kept(subject.params.embed.length),
        "base_model": model.hub,
        "base_revision": model.revision,
        "prompts": model.prompts.model_dump(),
        "framework": ["Sentence Transformers", "PyTorch"],
    }
