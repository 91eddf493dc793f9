"""The worked example of a cell's page: one query, and the top families of every system for it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from patent_embeddings.corpus.codes import classes
from patent_embeddings.corpus.judgements import domains
from patent_embeddings.pages.cell.results import CellResults, LandscapeResults

TOP = 5  # results shown for each system


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
        ranked = run.sort_values("rank")
        top = [
            {"title": titles[family] or "(no title)", "id": family, "scope": hits.get(family)}
            for family in ranked["family_id"].head(TOP)
        ]
        first = ranked.loc[ranked["family_id"].isin(list(hits)), "rank"]
        systems.append({"name": system, "top": top, "first": int(first.min()) if len(first) else None})
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
