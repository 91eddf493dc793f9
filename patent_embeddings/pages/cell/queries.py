"""Single queries of a cell: a worked example, the data of the query browser, and who wins against whom."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.corpus.codes import classes
from patent_embeddings.corpus.judgements import domains
from patent_embeddings.evaluation.statistics import wins
from patent_embeddings.handover.sheets import Sheet, Shown
from patent_embeddings.pages.cell.results import CellResults, LandscapeResults
from patent_embeddings.pages.failures.data import Subject, as_data
from patent_embeddings.pages.failures.queries import METRIC, SCOPES, best, named, tested, wide
from patent_embeddings.pages.failures.source import WORKSPACE

TOP = 5  # results of the worked example shown for each system


def example_query(queries: pd.DataFrame, qrels: pd.DataFrame) -> str | None:
    """The first test query, by id, that has relevant families IN and OUT; any where none has both."""
    tests = queries.loc[queries["split"] == "test", "query_id"]
    relevant = qrels[(qrels["relevance"] > 0) & qrels["query_id"].isin(tests)]
    within, beyond = (set(relevant.loc[relevant["scope"] == scope, "query_id"]) for scope in ("in", "out"))
    return min(within & beyond or set(relevant["query_id"]), default=None)


def example(cell: CellResults, landscape: LandscapeResults) -> dict[str, Any] | None:
    """The query of the worked example and the top families of every system; None where no query has relevant ones."""
    query = landscape.example
    if query is None:
        return None
    ours = landscape.qrels[(landscape.qrels["relevance"] > 0) & (landscape.qrels["query_id"] == query)]
    hits = dict(zip(ours["family_id"], ours["scope"], strict=True))
    families = landscape.families
    titles = dict(zip(families["family_id"], families["title"], strict=True))
    asked = landscape.queries.set_index("query_id").loc[query]
    codes = classes(asked["ipc"]) if asked["text"] else domains(families)[query]
    systems = []
    for system, run in landscape.runs.items():
        ranked = run.sort_values("rank")["family_id"].tolist()
        top = [{"title": titles[one] or "(no title)", "id": one, "scope": hits.get(one)} for one in ranked[:TOP]]
        first = next((rank for rank, one in enumerate(ranked, 1) if one in hits), None)
        systems.append({"name": system, "top": top, "first": first})
    count = list(hits.values())
    return {
        "landscape": landscape.name,
        "query": query,
        "title": asked["text"] or titles[query] or "(no title)",
        "kind": "Domains" if families["domains"].str.len().any() and not asked["text"] else "IPC classes",
        "codes": ", ".join(sorted(codes)) or "none",
        "relevant": ", ".join(f"{count.count(scope)} {scope}" for scope in ("in", "out", "unknown") if scope in count),
        "systems": systems,
    }


def failures(cell: CellResults) -> dict[str, Any] | None:
    """The data of `failures.html.j2`, read from the workspace; None without a scored test query.

    Raises UserError where a table is absent or damaged.
    """
    asked = [(one.name, wide(tested(one.outcomes))) for one in cell.landscapes if len(one.asked)]
    if not asked:
        return None
    subjects, tokens = [], cell.model.query_length
    for name, outcomes in asked:
        runs = {system: partial(WORKSPACE.run, name, system) for system in named(outcomes)}
        subjects.append(Subject(name, WORKSPACE, cell.params, tokens, outcomes, runs, (best(outcomes),)))
    return as_data(subjects, ("bm25", "dense"), cell.source(layout.outcomes))


def won(cell: CellResults) -> Sheet | None:
    """Wins of every system against each one before it, by landscape and scope; None without a scored test query."""
    rows: list[list[Shown]] = []
    for landscape in cell.landscapes:
        outcomes = tested(landscape.outcomes)
        for scope, said in SCOPES.items():
            table = wide(outcomes, scope)
            for second, first in itertools.combinations(named(table), 2):
                found = wins(table[first].to_numpy(), table[second].to_numpy())
                counts = [found.n, found.won, found.lost, found.tied]
                rows.append([landscape.name, said, first, second, *counts, found.difference, found.p])
    if not rows:
        return None
    head = ["landscape", "relevant", "system", "against", "n", "won", "lost", "tied", "mean difference", "p"]
    caption = (
        f"Test queries on which a system has a higher, lower or equal {METRIC} than another; p of the two-sided exact "
        "sign test without ties, not adjusted for the number of pairs"
    )
    return Sheet(head, rows, caption, texts=4, source=cell.source(layout.outcomes))
