"""What a cell came to: its scores in long form, its headline numbers, the rows of its pictures, a short table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from patent_embeddings.core import layout, tables
from patent_embeddings.evaluation.scores import _csv, records
from patent_embeddings.evaluation.systems import CLASSIFICATION, CLUSTERING, RETRIEVAL
from patent_embeddings.pages.charts import COLUMNS
from patent_embeddings.training.schemas import SCALES

if TYPE_CHECKING:
    import pandas as pd

    from patent_embeddings.core.params import Params
    from patent_embeddings.corpus.entries import View
    from patent_embeddings.encoders.entries import Model
    from patent_embeddings.pairs.entries import Recipe


def kept_at(recipe: Recipe) -> float | None:
    """Weight that training kept the adapter with, the recipe's or the one chosen on dev; None where it is whole."""

    if recipe.scale != "dev":
        return recipe.scale
    scales = tables.read(layout.SCALES, SCALES)
    return float(scales.loc[scales["chosen"], "scale"].iloc[0])


@dataclass(frozen=True)
class Landscape:
    """Everything that the report says of one landscape, rows as in `stages.tables`."""

    name: str
    entry: Any
    families: pd.DataFrame  # family_id, title, ipc
    queries: pd.DataFrame
    qrels: pd.DataFrame
    labels: pd.DataFrame
    pool: pd.DataFrame
    lengths: pd.DataFrame
    fusion: pd.DataFrame
    example: str | None  # the query of the worked example
    runs: dict[str, pd.DataFrame]  # system -> query_id, family_id, rank of that query
    published: pd.DataFrame  # figures that others printed, and `ours`: rows of `anchors.beside`


@dataclass(frozen=True)
class Cell:
    """A cell of the study with all that was measured in it."""

    params: Params
    model: Model
    recipe: Recipe
    views: dict[str, View]
    landscapes: list[Landscape]
    scores: pd.DataFrame  # rows of SCORES, every landscape
    pairs: pd.DataFrame
    seen: pd.DataFrame
    curve: pd.DataFrame
    scale: float | None  # weight of the adapter, the recipe's or chosen on dev; None where it is kept whole
    calibration: list[str]  # lines of `anchors.calibration`
    costs: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)  # landscape or `cell` -> stage -> record

    @property
    def name(self) -> str:
        """Model, recipe and the landscape of training, as pictures call the cell."""
        where = self.params.landscape if self.recipe.landscapes == "home" else "+".join(self.trained_on)
        return f"{self.params.model}, {self.params.recipe}, {where}"

    @property
    def trained_on(self) -> list[str]:
        """Landscapes that the training pairs come from."""
        return self.params.trained_on(self.recipe)

    @property
    def simulated(self) -> list[str]:
        """Landscapes of the cell whose families are generated."""
        return [landscape.name for landscape in self.landscapes if landscape.entry.simulated]


def example_query(queries: pd.DataFrame, qrels: pd.DataFrame) -> str | None:
    """The first test query, by id, that has relevant families IN and OUT; any where none has both."""
    tests = queries.loc[queries["split"] == "test", "query_id"]
    relevant = qrels[(qrels["relevance"] > 0) & qrels["query_id"].isin(tests)]
    both = set(relevant.loc[relevant["scope"] == "in", "query_id"]) & set(relevant.loc[relevant["scope"] == "out", "query_id"])  # fmt: skip
    return min(both or set(relevant["query_id"]), default=None)


def plots(cell: Cell) -> dict[str, list[dict[str, Any]]]:
    """Rows of every picture, by its name in `stages.charts`."""

    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in COLUMNS}
    for landscape in cell.landscapes:
        ours = cell.scores[cell.scores["landscape"] == landscape.name]
        ndcg = _in_order(_of(ours, "retrieval", "nDCG@10"), RETRIEVAL)
        rows["headline"] += _panelled(landscape, ndcg[ndcg["scope"] == "all"], "test queries")
        paired = ndcg[ndcg["scope"].isin(["in-paired", "out-paired"])]
        rows["inout"] += _panelled(
            landscape, paired.assign(scope=paired["scope"].str.removesuffix("-paired")), "test queries with both"
        )
        for task, metric, systems in [
            ("classification", "micro-F1", CLASSIFICATION),
            ("clustering", "AMI", CLUSTERING),
        ]:
            found = _in_order(_of(ours, task, metric), systems).rename(columns={"scope": "label_set"})
            rows[task] += _panelled(landscape, found, None)
        rows["fusion"] += _fusion_rows(landscape)
    rows["training"] = records(cell.curve.rename(columns={"step": "optimiser_step"}))
    return {
        name: [{column: _shown(row[column]) for column in COLUMNS[name]} for row in picture]
        for name, picture in rows.items()
    }


def _shown(value: Any) -> Any:
    """The value, and None for NaN, which JSON does not have."""
    return None if value != value else value


def plot_csv(name: str, rows: list[dict[str, Any]]) -> str:
    """`reports/plots/NAME.csv`, four decimals."""

    return _csv(list(COLUMNS[name]), rows)


def _of(scores: pd.DataFrame, task: str, metric: str) -> pd.DataFrame:
    return scores[(scores["task"] == task) & (scores["metric"] == metric)]


def _in_order(scores: pd.DataFrame, systems: tuple[str, ...]) -> pd.DataFrame:
    """Rows of these systems, in this order; others are left out."""
    known = scores[scores["system"].isin(systems)]
    return known.iloc[known["system"].map(systems.index).argsort(kind="stable")] if len(known) else known


def _panelled(landscape: Landscape, rows: pd.DataFrame, unit: str | None) -> list[dict[str, Any]]:
    """The rows with the heading of their panel: landscape, whether simulated, and how many units."""
    name = landscape.name + (" (simulated)" if landscape.entry.simulated else "")
    panel = f"{name}, {int(rows['n'].max())} {unit}" if unit and len(rows) else name
    return records(rows.assign(panel=panel))


def _fusion_rows(landscape: Landscape) -> list[dict[str, Any]]:
    """Every setting on dev and test; a setting that is both chosen and oracle has a row for each mark."""

    if landscape.fusion.empty:
        return []
    rows = landscape.fusion.rename(columns={"value": "setting", "score": "value"})
    test = rows["split"] == "test"
    marked = [rows[~(test & (rows["chosen"] | rows["oracle"]))].assign(mark="")]
    marked += [rows[test & rows[flag]].assign(mark=flag) for flag in ("chosen", "oracle")]
    ordered = pd.concat(marked).sort_values(["method", "split", "setting", "mark"])
    tests = int((landscape.queries["split"] == "test").sum())
    metric = landscape.fusion["metric"].iloc[0]
    return _panelled(landscape, ordered.assign(n=tests), f"test queries, {metric}")
