"""Outcomes of many cells by unit of comparison, and the selection of rows by the configuration of their cell.

A unit is a test query (retrieval), a test family (classification) or a fold (clustering, whose runs share their
families). Its outcome is a numerator and a denominator, since micro-F1 is a ratio of sums; for a mean the denominator
is 1. Training seeds are averaged before cells are compared. Folds are pooled: a query is a test query in one fold only.

The column `config` holds the `Config` of each row's cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from patent_embeddings.core.arrays import Booleans
from patent_embeddings.evaluation.systems import HEADLINE_LABELS, LEADING, Task, label_place
from patent_embeddings.grid.cell import COLUMNS, ZERO_SHOT, Config

UNIT = ["landscape", "fold", "query_id"]
COUNTS = ("tp", "fp", "fn")  # of the labels of a family; micro-F1 is computed from their sums


def units(
    outcomes: pd.DataFrame, task: Task, system: str | None = None, scope: str = "all", split: str = "test"
) -> pd.DataFrame:
    """Outcomes of a task's leading metric, averaged over training seeds.

    Args:
        outcomes: one row for each cell, system, task, scope, metric and query, as in `gather.Grid`.
        task: `retrieval`, `classification` or `clustering`.
        system: the task's leading one by default.
        scope: of retrieval; the other tasks use the first set of `HEADLINE_LABELS` that the landscape has.
        split: `test`, or for retrieval `dev`.

    Returns:
        `config`, `UNIT`, `simulated`, `scope`, `system`, `numerator`, `denominator` (float64), and for the row's cell
        on its landscape: `seeds`, the number of training seeds (0 where nothing was trained), and `luck`, the variance
        over training seeds of its mean (NaN for one seed).
    """
    chosen, metric = LEADING[task]
    metrics = COUNTS if metric == "micro-F1" else (metric,)
    rows = outcomes[
        (outcomes["task"] == task)
        & (outcomes["system"] == (system or chosen))
        & outcomes["metric"].isin(metrics)
        & (outcomes["split"] == split)
    ]
    rows = rows[rows["scope"] == scope] if task == "retrieval" else headline_labels(rows)
    if task == "clustering":
        rows = rows.assign(query_id="runs")
    keys = ["config", *UNIT, "simulated", "scope", "system"]
    if metric == "micro-F1":
        sums = rows.pivot_table(index=[*keys, "seed"], columns="metric", values="value", observed=True).reset_index()
        sums = sums.reindex(columns=[*keys, "seed", *COUNTS])
        sums["numerator"] = 2 * sums["tp"]
        sums["denominator"] = 2 * sums["tp"] + sums["fp"] + sums["fn"]
    else:
        sums = rows.rename(columns={"value": "numerator"}).assign(denominator=1.0)
    averaged = sums.groupby(keys, observed=True, sort=True)[["numerator", "denominator"]].mean().reset_index()
    return averaged.merge(_seeds(sums), on=["config", "landscape", "fold"], how="left")


def _seeds(sums: pd.DataFrame) -> pd.DataFrame:
    """`seeds` and `luck` (see `units`) of each cell on each landscape."""
    cell = ["config", "landscape", "fold"]
    apart = sums.groupby([*cell, "seed"], observed=True)[["numerator", "denominator"]].sum().reset_index()
    scores = apart.assign(score=apart["numerator"] / apart["denominator"]).groupby(cell, observed=True)["score"]
    found = pd.DataFrame({"seeds": scores.count(), "luck": scores.var() / scores.count()}).reset_index()
    found.loc[_mask(found, _zero_shot), ["seeds", "luck"]] = 0
    return found


def headline_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of each landscape's first label set in the order of `HEADLINE_LABELS`."""
    every = sorted(rows["scope"].unique(), key=lambda name: label_place(name, HEADLINE_LABELS))
    place = {name: number for number, name in enumerate(every)}
    first = rows["scope"].map(place).groupby(rows["landscape"]).transform("min")
    return rows[rows["scope"].map(place) == first]


def where(rows: pd.DataFrame, test: Callable[[Config], bool]) -> pd.DataFrame:
    """Rows whose configuration passes a test."""
    return rows[_mask(rows, test)]


def zero_shot(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of zero-shot cells."""
    return where(rows, _zero_shot)


def changed(rows: pd.DataFrame, to: Callable[[Config], Config]) -> pd.DataFrame:
    """The rows with every configuration replaced."""
    known = {one: to(one) for one in rows["config"].unique()}
    return rows.assign(config=objects((known[one] for one in rows["config"]), rows.index))


def objects(configs: Iterable[Config], index: pd.Index) -> pd.Series:
    """A column of configurations."""
    return pd.Series(list(configs), index, dtype=object)


def described(rows: pd.DataFrame, *, keyed: bool = False) -> pd.DataFrame:
    """The rows with the configuration replaced by the text columns `COLUMNS`, for people.

    `variant` lists dimensions and options in words, or as `key=value` for files (`keyed`).
    """
    known = {one: one.words if keyed else (*one.words[:-1], ", ".join(one.extra)) for one in set(rows["config"])}
    words = pd.DataFrame([known[one] for one in rows["config"]], columns=list(COLUMNS))
    order = [name for column in rows.columns for name in (COLUMNS if column == "config" else (column,))]
    return rows.assign(**{name: words[name].array for name in COLUMNS})[order]


def groups(rows: pd.DataFrame, *columns: str) -> Iterator[tuple[Any, pd.DataFrame]]:
    """Rows grouped by the values of one column or several, sorted by them."""
    by = list(columns) if len(columns) > 1 else columns[0]
    yield from rows.groupby(by, observed=True, sort=True)


def at_home(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of zero-shot cells, and of cells scored on a landscape that they were trained on."""
    return rows[trained_here(rows) | _mask(rows, lambda one: not one.trained_on)]


def trained_here(rows: pd.DataFrame) -> pd.Series[bool]:
    """Whether each row's cell was trained on the landscape that it is scored on, alone or with others."""
    pairs = zip(rows["config"], rows["landscape"], strict=True)
    return pd.Series([landscape in config.trained_on for config, landscape in pairs], rows.index, dtype=bool)


def abroad(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of fine-tuned cells on landscapes that they were not trained on."""
    return rows[~trained_here(rows) & _mask(rows, lambda one: bool(one.trained_on))]


def one_ground(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of cells that were trained only on landscapes which the rows are scored on."""
    scored = set(rows["landscape"].unique())
    return where(rows, lambda one: scored.issuperset(one.trained_on))


def commonest(rows: pd.DataFrame, *names: str) -> Config:
    """The commonest values of some fields, as a configuration of nothing else; of equally common ones, no options."""
    counts = Counter(one.only(*names) for one in rows["config"].unique())
    return max(counts, key=lambda one: (counts[one], not one.options, one.words))


def same_options(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the cells with the commonest options."""
    if rows.empty:
        return rows
    chosen = commonest(rows, "options")
    return where(rows, lambda one: one.options == chosen.options)


def usual(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows at full dimensions under the commonest views and options, so that no other axis is mixed in."""
    full = where(rows, lambda one: one.dimensions == 0)
    if full.empty:
        return full
    chosen = commonest(full, "query_view", "document_view", "options")

    def alike(one: Config) -> bool:
        # A zero-shot cell has no options of training.
        options = one.options in (chosen.options, *([chosen.untrained] if _zero_shot(one) else []))
        return options and (one.query_view, one.document_view) == (chosen.query_view, chosen.document_view)

    return where(full, alike)


def paired(first: pd.DataFrame, second: pd.DataFrame, varied: Sequence[str]) -> pd.DataFrame:
    """Match two sets of rows of `units` by unit and by every field of their cell that is not `varied`.

    Returns `UNIT`, `config` of the first, and `numerator`, `denominator`, `seeds`, `luck` with suffixes `_first` and
    `_second`.
    """
    left = first.assign(rest=changed(first, lambda one: one.without(*varied))["config"])
    right = changed(second, lambda one: one.without(*varied)).rename(columns={"config": "rest"})
    on = ["rest", *UNIT]
    right = right[[*on, "numerator", "denominator", "seeds", "luck"]]
    return left.merge(right, on=on, suffixes=("_first", "_second")).drop(columns="rest")


def _zero_shot(one: Config) -> bool:
    return one.recipe == ZERO_SHOT


def _mask(rows: pd.DataFrame, test: Callable[[Config], bool]) -> Booleans:
    passed = {one: test(one) for one in rows["config"].unique()}
    return np.fromiter((passed[one] for one in rows["config"]), bool, len(rows))
