"""Which tasks a landscape can be scored on under a split, and the reasons for those that it cannot."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from patent_embeddings.core.tables import SPLITS

FEWEST = 6  # test queries for a confidence interval


def scorable(qrels: pd.DataFrame, queries: pd.DataFrame, labels: pd.DataFrame, lost: str, *, every: bool) -> list[str]:
    """Lines that say for each task on how many queries or families it is scored, or why it is not.

    Args:
        qrels: rows of `QRELS`.
        queries: rows of `QUERIES`.
        labels: rows of `LABELS`.
        lost: the reason why there is no relevant pair, if there is none.
        every: without training, the queries of every split are scored, as judged queries are few.
    """
    return [*_retrieval(qrels, queries, lost, every=every), *_labelled(labels)]


def _retrieval(qrels: pd.DataFrame, queries: pd.DataFrame, lost: str, *, every: bool) -> Iterator[str]:
    if queries.empty:
        yield f"{lost}: retrieval cannot be scored"
        return
    tests = queries[queries["split"] == "test"]
    scored = queries if every else tests
    if scored.empty:
        mend = "another tasks.fold may have some"
        yield f"none of the {len(queries):,} queries is in the test split: retrieval cannot be scored; {mend}"
        return
    few = f"; fewer than {FEWEST}, so without intervals" if len(scored) < FEWEST else ""
    if every:
        trained = f"{len(tests):,} test queries" if len(tests) else "none, as none is a test query"
        yield f"retrieval: can be scored, on all {len(queries):,} queries{few}; where a recipe trains, on {trained}"
    else:
        yield f"retrieval: can be scored, on {len(tests):,} test queries of {len(queries):,}{few}"
        if "dev" not in set(queries["split"]):
            yield "none of the queries is in the dev split: fusion is not tuned"
    relevant = qrels[(qrels["relevance"] > 0) & qrels["query_id"].isin(scored["query_id"])]
    if set(relevant["scope"]) == {"unknown"}:
        lacking = "of no query and relevant family both have" if every else "no"
        yield f"{lacking} IPC codes or domains: in-domain and out-of-domain cannot be told apart"
        return
    by = {scope: set(relevant.loc[relevant["scope"] == scope, "query_id"]) for scope in ("in", "out")}
    for scope, those in by.items():
        if not those:
            yield f"no test query has a relevant family {scope.upper()}, which is not scored"
    if all(by.values()) and not by["in"] & by["out"]:
        yield "no test query has relevant families both IN and OUT: nothing is paired"


def _labelled(labels: pd.DataFrame) -> Iterator[str]:
    if labels.empty:
        yield "no codes or labels: classification and clustering cannot be scored"
        return
    if labels.explode("labels").groupby("label_set")["labels"].nunique().max() < 2:
        yield "one code or label only: there is nothing to classify"
    classified, clustered = [], []
    for name, part in labels.groupby("label_set", sort=True):
        tests = part[part["split"] == "test"]
        if set(SPLITS) <= set(part["split"]):
            classified.append(f"{name} ({len(tests):,} test families)")
        if 1 < tests["labels"].str[0].nunique() <= len(tests) / 2:  # two labels or more, and two families for each
            clustered.append(str(name))
    tasks = {"classification": (classified, unclassified), "clustering": (clustered, unclustered)}
    for task, (sets, why) in tasks.items():
        if sets:
            yield f"{task}: can be scored, by {', '.join(sets)}"
        else:
            yield f"the landscape {why(labels)}: {task} cannot be scored"


def unclassified(labels: pd.DataFrame) -> str:
    """Why no label set can be classified: the split that has no labelled family."""
    lacking = [split for split in SPLITS if split not in set(labels["split"])]
    if lacking:
        return f"has no family with a code or label in its {' and '.join(lacking)} split{'s' * (len(lacking) > 1)}"
    return "has no label set with families in each of train, dev and test"


def unclustered(labels: pd.DataFrame) -> str:
    """Why no label set can be clustered: what the test families lack."""
    test = labels[labels["split"] == "test"]
    if test.empty:
        return "has no family with a code or label in its test split"
    names = test["labels"].str[0].groupby(test["label_set"]).nunique()
    if names.max() < 2:
        return f"has one code or label only among its {test['family_id'].nunique()} test families"
    return f"has {test['family_id'].nunique()} test families with codes or labels, fewer than two for each of them"
