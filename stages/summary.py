"""What a cell came to: its scores in long form, its headline numbers, the rows of its pictures, a short table."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from stages.params import Params
    from stages.registry.entries import Model, Recipe, View

RETRIEVAL = ("bm25", "dense", "rrf", "interpolation", "reranked")
ORACLES = ("oracle-rrf", "oracle-interpolation")
CLASSIFICATION = ("probe", "knn", "prior")
CLUSTERING = ("kmeans", "random")
LABEL_SETS = ("ipc-section", "ipc-class", "ipc-subclass", "cpc-subclass", "own")
HEADLINE_LABELS = ("ipc-subclass", "own", "cpc-subclass", "ipc-class", "ipc-section")  # the first that there is

# Short name -> task, system, scope (None: the first of HEADLINE_LABELS), metric.
HEADLINE: dict[str, tuple[str, str, str | None, str]] = {
    "ndcg": ("retrieval", "dense", "all", "nDCG@10"),
    "out": ("retrieval", "dense", "out", "nDCG@10"),
    "fused": ("retrieval", "interpolation", "all", "nDCG@10"),
    "f1": ("classification", "probe", None, "micro-F1"),
    "ami": ("clustering", "kmeans", None, "AMI"),  # corrected for chance: V-measure of random vectors can be .7
}


def kept_at(recipe: Recipe) -> float | None:
    """Weight that training kept the adapter with, the recipe's or the one chosen on dev; None where it is whole."""
    from stages import layout, tables

    if recipe.scale != "dev":
        return recipe.scale
    scales = tables.read(layout.SCALES, tables.SCALES)
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
    scores: pd.DataFrame  # rows of tables.SCORES, every landscape
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


def scores_csv(scores: pd.DataFrame) -> str:
    """`reports/scores.csv`: rows of `tables.SCORES`, sorted by key, four decimals."""
    from stages import tables

    rows = scores.sort_values(list(tables.SCORES.key))
    return _csv(list(tables.SCORES.columns), records(rows))


def read_scores() -> pd.DataFrame:
    """Rows of `reports/scores.csv`. Raises UserError where there is none yet."""

    from stages import layout
    from stages.errors import UserError

    try:
        return parse_scores(layout.SCORES.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{layout.SCORES}: no such file; run `dvc repro` first") from None


def parse_scores(text: str) -> pd.DataFrame:
    """Rows of the text of `reports/scores.csv`. Raises UserError where it is damaged."""
    import io

    import pandas as pd

    from stages import layout, tables
    from stages.errors import UserError

    try:
        none = {bound: [""] for bound in tables.SCORES.around["value"]}
        found = pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=none)
        return found[list(tables.SCORES.columns)]
    except (ValueError, KeyError):
        raise UserError(f"{layout.SCORES}: damaged; `dvc repro report` writes it again") from None


def headline(scores: pd.DataFrame) -> dict[str, dict[str, float]]:
    """`reports/metrics.json`: up to five numbers a landscape, under names that fit `dvc exp show`.

    ndcg and out: nDCG@10 of the dense run, all relevant families and OUT ones; fused: of the
    interpolation; f1: micro-F1 of the probe and ami: AMI of k-means, on IPC subclasses where the
    landscape has them. What was not measured is left out.
    """
    numbers: dict[str, dict[str, float]] = {}
    for landscape in sorted(scores["landscape"].unique()):
        ours = scores[scores["landscape"] == landscape]
        picked = {short: pick(ours, *key) for short, key in HEADLINE.items()}
        numbers[landscape] = {short: round(value, 4) for short, value in picked.items() if value is not None}
    return numbers


def pick(scores: pd.DataFrame, task: str, system: str, scope: str | None, metric: str) -> float | None:
    """One score of a landscape, None where it was not measured; scope None: the first of HEADLINE_LABELS."""
    rows = scores[(scores["task"] == task) & (scores["system"] == system) & (scores["metric"] == metric)]
    values = dict(zip(rows["scope"], rows["value"], strict=True))
    for name in [scope] if scope else HEADLINE_LABELS:
        if name in values:
            return float(values[name])
    return None


def plots(cell: Cell) -> dict[str, list[dict[str, Any]]]:
    """Rows of every picture, by its name in `stages.charts`."""
    from stages.charts import COLUMNS

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


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """A dict of plain Python values for each row."""
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def plot_csv(name: str, rows: list[dict[str, Any]]) -> str:
    """`reports/plots/NAME.csv`, four decimals."""
    from stages.charts import COLUMNS

    return _csv(list(COLUMNS[name]), rows)


def table(scores: pd.DataFrame) -> str:
    """The short table that ends a run: a line a landscape, fixed width; `scores` as in `scores_csv`."""
    heads = ["bm25", "dense", "rrf", "interp.", "in", "out", "micro-F1", "AMI"]
    wanted: list[tuple[str, str, str | None, str]] = [
        *(("retrieval", system, "all", "nDCG@10") for system in RETRIEVAL[:4]),
        ("retrieval", "dense", "in-paired", "nDCG@10"),
        ("retrieval", "dense", "out-paired", "nDCG@10"),
        HEADLINE["f1"],
        HEADLINE["ami"],
    ]
    width = max([len(name) for name in scores["landscape"]] + [9])
    lines = [
        f"{'':{width}}  {'nDCG@10':^31}  {'dense, paired':^15}  {'classif.':>8}  {'cluster':>7}",
        f"{'landscape':{width}}  " + "  ".join(f"{head:>{_width(head)}}" for head in heads),
    ]
    for landscape in sorted(scores["landscape"].unique()):
        ours = scores[scores["landscape"] == landscape]
        cells = [pick(ours, *key) for key in wanted]
        shown = [
            f"{'-' if value is None else f'{value:.4f}':>{_width(head)}}"
            for head, value in zip(heads, cells, strict=True)
        ]
        lines.append(f"{landscape:{width}}  " + "  ".join(shown))
    simulated = sorted(scores.loc[scores["simulated"].astype(bool), "landscape"].unique())
    if simulated:
        lines.append(f"simulated: {', '.join(simulated)}; these scores say nothing about real patents")
    return "\n".join(lines)


def _width(head: str) -> int:
    return max(len(head), 6)


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
    import pandas as pd

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


def _csv(columns: list[str], rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_plain(row[column]) for column in columns] for row in rows)
    return text.getvalue()


def _plain(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value + 0.0 if round(value, 4) else 0.0:.4f}"  # never -0.0000
    return str(value)
