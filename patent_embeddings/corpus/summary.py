"""What a landscape holds, in lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from patent_embeddings.core import layout, tables
from patent_embeddings.core.files import read_json
from patent_embeddings.corpus.schemas import CITATIONS, FAMILIES, RELATIONS


def summary(families: pd.DataFrame, citations: pd.DataFrame, relevance: str, notes: Mapping[str, Any]) -> list[str]:
    """What a landscape holds, one line each: sections, queries, codes, labels, dates, what cannot be scored, notes.

    Args:
        families: rows of `FAMILIES`, at least one.
        citations: rows of `CITATIONS`, or who is relevant to whom in the same columns.
        relevance: `cited`, `linked` or `judged`; decides which families are queries.
        notes: what the source counted, none where that is not known.
    """
    total = len(families)

    def having(column: str) -> str:
        count = int((families[column].str.len() > 0).sum())
        return f"{count:,} families ({count / total:.1%})"

    def distinct(column: str) -> int:
        return families[column].explode().dropna().nunique()

    ends = ["citing_id", "cited_id"] if relevance == "linked" else ["citing_id"]
    queries = len(set(citations[ends].to_numpy().ravel()))
    dates = families["date"][families["date"] != ""]
    lines = [f"families: {total:,}"]
    lines += [f"{section}: {having(section)}" for section in ("title", "abstract", "claims", "description")]
    pairs = f"{len(citations):,} {'judged' if relevance == 'judged' else 'citation'} pairs"
    lines += [f"queries: {queries:,} families with a relevant one ({relevance}), {pairs}"]
    lines += [f"{column}: {having(column)}, {distinct(column):,} distinct" for column in ("ipc", "cpc", "labels")]
    lines += [f"date: {having('date')}" + (f", {dates.min()} to {dates.max()}" if len(dates) else "")]
    if not queries:
        outside = notes.get("citations dropped, outside the landscape", 0)
        lost = f"none of the {outside:,} cited ids is a family of the landscape" if outside else "no citations"
        lines.append(f"{lost}: retrieval cannot be scored")
    if not any(map(distinct, ("ipc", "cpc", "labels"))):
        lines.append("no codes or labels: classification and clustering cannot be scored")
    if queries and not distinct("ipc"):
        lines.append("no IPC codes: in-domain and out-of-domain cannot be told apart")

    def told(value: Any) -> str:
        return ", ".join(value) if isinstance(value, list) else f"{value:,}" if isinstance(value, int) else str(value)

    return [*lines, *(f"{key}: {told(value)}" for key, value in notes.items() if value)]


def downloaded(name: str, relevance: str) -> list[str]:
    """The summary of a landscape as the pipeline has it here, by its entry's relevance; empty if not downloaded."""
    if not (layout.families(name).exists() and layout.citations(name).exists()):
        return []
    citations = tables.read(layout.citations(name), CITATIONS)
    judged = tables.read(layout.relations(name), RELATIONS)
    if len(judged):
        pairs = judged.loc[judged["relevance"] > 0, ["query_id", "family_id"]]
        citations, relevance = pairs.set_axis(["citing_id", "cited_id"], axis=1), "judged"
    cost = layout.cost("download", name)
    notes = read_json(cost).get("notes", {}) if cost.exists() else {}
    return summary(tables.read(layout.families(name), FAMILIES), citations, relevance, notes)
