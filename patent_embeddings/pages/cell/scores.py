"""Tables of a cell's scores: every system by task and scope, the fusions, and what others published."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from patent_embeddings.evaluation.scores import records
from patent_embeddings.evaluation.systems import ORACLES, REQUIRED, RETRIEVAL, Task, label_place, metrics, systems
from patent_embeddings.handover.sheets import Score, Sheet, Shown
from patent_embeddings.pages.cell.results import CellResults

SCOPES = {"in": "IN", "out": "OUT", "in-paired": "IN, paired", "out-paired": "OUT, paired"}


def retrieval(cell: CellResults) -> Sheet | None:
    """Headline table: every system on every landscape, all relevant families."""
    rows = cell.scores[(cell.scores["task"] == "retrieval") & (cell.scores["scope"] == "all")]
    columns = metrics("retrieval", judged=bool(cell.judged))
    return _scored(rows, columns, RETRIEVAL, "All relevant families, mean over n test queries")


def inout(cell: CellResults) -> Sheet | None:
    """IN against OUT for every system: the queries of each scope, and those that have both."""
    rows = cell.scores[(cell.scores["task"] == "retrieval") & (cell.scores["metric"] == "nDCG@10")]
    rows = rows[rows["scope"].isin(list(SCOPES))]
    turned = rows.assign(metric=rows["scope"].map(SCOPES))
    caption = "nDCG@10, mean over n test queries (n in the order of the columns where it differs)"
    return _scored(turned, tuple(SCOPES.values()), RETRIEVAL, caption)


def fusion(cell: CellResults) -> Sheet | None:
    """Both legs, both fusions as chosen on dev or for each fold, and the oracles, set apart."""
    rows: list[list[Shown]] = []
    for landscape in cell.landscapes:
        ours = cell.scores[
            (cell.scores["landscape"] == landscape.name)
            & (cell.scores["task"] == "retrieval")
            & (cell.scores["scope"] == "all")
            & (cell.scores["metric"] == cell.params.fuse.metric)
        ]
        scores = {row["system"]: row for row in records(ours)}
        for system in (*REQUIRED, *ORACLES):
            if system in scores:
                setting = _setting(landscape.fusion, system)
                name = f"{system} (tuned on test, not a score)" if system in ORACLES else system
                rows.append([landscape.name, name, setting, _score(scores[system])])
    if not rows:
        return None
    head = ["landscape", "system", "setting", cell.params.fuse.metric]
    return Sheet(head, rows, "Mean over the test queries", texts=3)


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
    """Figures that others printed for this model, view and landscape, and ours over the same queries: all of them."""
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
    return Sheet(head, rows, "Mean over all queries, dev, test and train together", texts=7)


def against_floor(cell: CellResults, task: Task) -> Sheet | None:
    """Scores of a label task, a row for each label set and system, floors included."""
    rows = cell.scores[cell.scores["task"] == task]
    how = " (intervals from subsamples and seeds)" if task == "clustering" else ""
    return _scored(rows, metrics(task), systems(task), f"Over n test families{how}", by_label=True)


def _scored(
    scores: pd.DataFrame, columns: Sequence[str], names: Sequence[str], caption: str, by_label: bool = False
) -> Sheet | None:
    """Scores turned into a table: landscape, label set and system down, metrics across, with 95 % intervals."""
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
        sizes = [line[metric]["n"] for metric in columns if metric in line]
        shown = sizes if len(set(sizes)) > 1 else sizes[:1]
        cells = [_score(line[metric]) if metric in line else None for metric in columns]
        table.append([key[0], *([key[1]] if by_label else []), key[2], " / ".join(map(str, shown)), *cells])
    keys = ["landscape", *(["label set"] if by_label else []), "system"]
    return Sheet([*keys, "n", *columns], table, f"{caption}, with 95 % intervals where n suffices", texts=len(keys))


def _score(row: dict[str, Any]) -> Score:
    return Score(row["value"], row["ci_low"], row["ci_high"])
