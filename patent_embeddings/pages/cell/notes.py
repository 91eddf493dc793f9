"""Sentences of a cell's page: what could not be measured and why, and what to bear in mind."""

from __future__ import annotations

import pandas as pd

from patent_embeddings.core.tables import SPLITS
from patent_embeddings.corpus.pool import out_of_reach, reachable
from patent_embeddings.pages.cell.results import CellResults, LandscapeResults


def missing(cell: CellResults, landscape: LandscapeResults) -> list[str]:
    """What could not be measured on a landscape, and why, a sentence each."""
    ours = cell.scores[cell.scores["landscape"] == landscape.name]
    retrieved = ours[ours["task"] == "retrieval"]
    out = []
    if landscape.qrels.empty:
        out.append(f"{landscape.name} has no citations between its families: no retrieval and no fusion.")
    elif retrieved.empty:
        out.append(f"{landscape.name} has no test query with a relevant family: no retrieval scores.")
    else:
        scopes = set(retrieved["scope"])
        lacking = [name.upper() for name in ("in", "out") if name not in scopes]
        if lacking:
            out.append(f"{landscape.name} has no test query with relevant families {' or '.join(lacking)}.")
        elif "in-paired" not in scopes:
            out.append(f"{landscape.name} has no test query with relevant families both IN and OUT: nothing paired.")
    if len(landscape.fusion) and "dev" not in set(landscape.fusion["split"]):
        out.append(f"{landscape.name} has no dev query with a relevant family: its fusions are not tuned.")
    if landscape.labels.empty:
        out.append(f"{landscape.name} has neither codes nor labels: no classification and no clustering.")
    else:
        if landscape.labels.explode("labels").groupby("label_set")["labels"].nunique().max() < 2:
            out.append(f"{landscape.name} has one code or label only: its classification tells nothing apart.")
        reasons = {"classification": unclassified, "clustering": unclustered}
        out += [
            f"{landscape.name} {why(landscape.labels)}: no {task}."
            for task, why in reasons.items()
            if task not in set(ours["task"])
        ]
    return out


def unclassified(labels: pd.DataFrame) -> str:
    """Why no label set could be classified: what some split lacks."""
    lacking = [split for split in SPLITS if split not in set(labels["split"])]
    if lacking:
        return f"has no family with a code or label in its {' and '.join(lacking)} split{'s' * (len(lacking) > 1)}"
    return "has no label set with families in each of train, dev and test"


def unclustered(labels: pd.DataFrame) -> str:
    """Why no label set could be clustered: what its test families lack."""
    test = labels[labels["split"] == "test"]
    if test.empty:
        return "has no family with a code or label in its test split"
    names = test["labels"].str[0].groupby(test["label_set"]).nunique()
    if names.max() < 2:
        return f"has one code or label only among its {test['family_id'].nunique()} test families"
    return f"has {test['family_id'].nunique()} test families with codes or labels, fewer than two for each of them"


def noted(cell: CellResults, landscape: LandscapeResults) -> list[str]:
    """What was read in a way to bear in mind, and what the pool keeps out of reach, a sentence each."""
    notes = cell.costs.get(landscape.name, {}).get("download", {}).get("notes", {})
    # Counts are numbers; a text is a count with its example.
    out = [f"{landscape.name}: {key}: {value}." for key, value in notes.items() if isinstance(value, str)]
    if cell.params.tasks.pool == "earlier":
        reach = reachable(landscape.qrels, landscape.pool, earlier=True)
        lost = out_of_reach(landscape.qrels, reach, landscape.queries)
        out += [f"{landscape.name}: {lost}."] if lost else []
    return out


def unknown(landscape: LandscapeResults) -> str:
    """How many relevant pairs of the test queries are IN, OUT or of unknown scope."""
    tests = landscape.queries.loc[landscape.queries["split"] == "test", "query_id"]
    pairs = landscape.qrels[(landscape.qrels["relevance"] > 0) & landscape.qrels["query_id"].isin(tests)]
    count = pairs["scope"].value_counts()
    return (
        f"{landscape.name}: {len(tests)} test queries, {len(pairs)} relevant pairs: {count.get('in', 0)} IN, "
        f"{count.get('out', 0)} OUT, {count.get('unknown', 0)} of unknown scope (a side has no IPC code)."
    )
