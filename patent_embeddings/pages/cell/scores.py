"""Tables of a cell's scores: every system by task and scope, the fusions, and what others published."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.evaluation.scores import records
from patent_embeddings.evaluation.systems import ORACLES, REQUIRED, RETRIEVAL, Task, label_place, metrics, systems
from patent_embeddings.handover.sheets import Score, Sheet, Shown
from patent_embeddings.pages.cell.results import CellResults

SCOPES = {"in": "IN", "out": "OUT", "in-paired": "IN, paired", "out-paired": "OUT, paired"}
_OF = {"IN": "IN", "OUT": "OUT", "IN, paired": "both", "OUT, paired": "both"}  # unit of each column's count


def retrieval(cell: CellResults) -> Sheet | None:
    """Scores of every system over all relevant families, by landscape."""
    rows = cell.scores[(cell.scores["task"] == "retrieval") & (cell.scores["scope"] == "all")]
    columns = metrics("retrieval", judged=any(one.judged for one in cell.landscapes))
    return _scored(cell, rows, columns, RETRIEVAL, "All relevant families, mean over n test queries")


def inout(cell: CellResults) -> Sheet | None:
    """Scores of every system IN and OUT: over the queries of each scope, and over those that have both."""
    rows = cell.scores[(cell.scores["task"] == "retrieval") & (cell.scores["metric"] == "nDCG@10")]
    rows = rows[rows["scope"].isin(list(SCOPES))]
    turned = rows.assign(metric=rows["scope"].map(SCOPES))
    caption = "nDCG@10, mean over n test queries (both: those that have relevant families IN and OUT)"
    return _scored(cell, turned, tuple(SCOPES.values()), RETRIEVAL, caption, of=_OF)


def fusion(cell: CellResults) -> Sheet | None:
    """Scores of both legs, of both fusions with the settings chosen, and of the oracles, marked as such."""
    rows: list[list[Shown]] = []
    counts: dict[str, int] = {}
    every = cell.scores[(cell.scores["scope"] == "all") & (cell.scores["metric"] == cell.params.fuse.metric)]
    for landscape in cell.landscapes:
        scores = {row["system"]: row for row in records(every[every["landscape"] == landscape.name])}
        for system in (*REQUIRED, *ORACLES):
            if system in scores:
                setting = _setting(landscape.fusion, system)
                name = f"{system} (tuned on test, not a score)" if system in ORACLES else system
                rows.append([landscape.name, name, setting, _score(scores[system])])
                counts[landscape.name] = scores[system]["n"]
    if not rows:
        return None
    head = ["landscape", "system", "setting", cell.params.fuse.metric]
    said = ", ".join(f"{count:,} of {name}" for name, count in counts.items())
    said = f"Mean over the test queries ({said}), with 95 % intervals where these are enough"
    return Sheet(head, rows, said, texts=3, source=cell.source(layout.scores, layout.fusion))


def _setting(table: pd.DataFrame, system: str) -> str:
    method, flag = system.removeprefix("oracle-"), "oracle" if system in ORACLES else "chosen"
    found = table[(table["method"] == method) & table[flag]]
    if found.empty:
        return ""
    folds = found[found["split"].str.startswith("fold-")].sort_values("split") if flag == "chosen" else found.head(0)
    values = [f"{value:g}" for value in (folds if len(folds) else found.head(1))["value"]]
    shown = ", ".join(values) + (" by fold" if len(folds) else "")
    return f"k = {shown}" if method == "rrf" else f"weight of dense {shown}"


def published(cell: CellResults) -> Sheet | None:
    """Published figures for this model, view and landscape, and ours over the same queries, which are all of them."""
    words = ["name", "scope", "metric", "source", "certainty"]
    rows: list[list[Shown]] = []
    for landscape in cell.landscapes:
        for row in records(landscape.published):
            value = row["value"] if math.isnan(row["low"]) else Score(row["value"], row["low"], row["high"])
            ours = None if math.isnan(row["ours"]) else row["ours"]
            rows.append([landscape.name, *(row[name] for name in words), row["note"] or None, value, ours])
    if not rows:
        return None
    head = ["landscape", "system as printed", *words[1:], "note", "published", "ours"]
    files = cell.source(layout.published("").parent, layout.outcomes)
    every = ((one.name, one.outcomes[one.outcomes["scope"] == "all"]) for one in cell.landscapes if len(one.published))
    counts = ", ".join(f"{scored['query_id'].nunique():,} of {name}" for name, scored in every)
    said = f"Mean over all queries: train, dev and test together ({counts})"
    return Sheet(head, rows, said, texts=7, source=files)


def against_floor(cell: CellResults, task: Task) -> Sheet | None:
    """Scores of a label task by label set and system, floors included."""
    rows = cell.scores[cell.scores["task"] == task]
    how = " (intervals from subsamples and seeds)" if task == "clustering" else ""
    return _scored(cell, rows, metrics(task), systems(task), f"Over n test families{how}", by_label=True)


def _scored(
    cell: CellResults,
    scores: pd.DataFrame,
    columns: Sequence[str],
    names: Sequence[str],
    caption: str,
    by_label: bool = False,
    of: Mapping[str, str] | None = None,
) -> Sheet | None:
    """A table of scores: a row for each landscape, label set and system, a column for each metric.

    Where n differs between columns, each count is followed by its name in `of`, or by its column.
    """
    lines: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}
    for row in records(scores[scores["system"].isin(names) & scores["metric"].isin(columns)]):
        key = (row["landscape"], row["scope"] if by_label else "", row["system"])
        lines.setdefault(key, {})[row["metric"]] = row
    if not lines:
        return None
    ordered = sorted(lines, key=lambda key: (key[0], label_place(key[1]), names.index(key[2])))
    table: list[list[Shown]] = []
    for key in ordered:
        line = lines[key]
        sizes = {metric: line[metric]["n"] for metric in columns if metric in line}
        # In words: a spreadsheet takes `12 / 2` for a date.
        named = dict.fromkeys(f"{size} {(of or {}).get(metric, metric)}" for metric, size in sizes.items())
        shown = ", ".join(named) if len(set(sizes.values())) > 1 else next(iter(sizes.values()))
        cells = [_score(line[metric]) if metric in line else None for metric in columns]
        table.append([key[0], *([key[1]] if by_label else []), key[2], shown, *cells])
    keys = ["landscape", *(["label set"] if by_label else []), "system"]
    said = f"{caption}, with 95 % intervals where n is large enough"
    return Sheet([*keys, "n", *columns], table, said, texts=len(keys), source=cell.source(layout.scores)).filled()


def _score(row: dict[str, Any]) -> Score:
    return Score(row["value"], row["ci_low"], row["ci_high"])
