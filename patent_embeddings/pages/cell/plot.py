"""A picture of a cell: one Vega-Lite spec, which the page, `dvc plots` and the figure in git all draw.

The spec carries DVC's anchor where its rows go. Their data is a CSV file in reports/plots/. Every row has a `rev`: the
cell's name on the page, the revision in `dvc plots diff`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import altair as alt
import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.evaluation.scores import csv_text, records
from patent_embeddings.evaluation.systems import SHOWN, Task, systems
from patent_embeddings.pages.cell.results import CellResults, LandscapeResults
from patent_embeddings.pages.charts import filled, spec
from patent_embeddings.pages.colours import COLOURS, INK, SHAPES
from patent_embeddings.pages.outlines import svg

ANCHOR = "<DVC_METRIC_DATA>"
PANEL = 330  # width of a panel in pixels, where nothing else decides it
KNOWN = "isValid(datum.ci_low)"  # there is no interval of few units
Columns = dict[str, Literal["text", "number"]]
SCORED: Columns = {"value": "number", "ci_low": "number", "ci_high": "number"}


@dataclass(frozen=True)
class Plot:
    """A picture of any cell.

    A column `panel` makes a panel of each of its values, `ci_low` adds the interval to the tooltip; `rev` is added when
    it is drawn. No column is named `step`: DVC writes a row number there.
    """

    section: str  # of the page, by its heading
    columns: Columns
    rows: Callable[[CellResults], Iterable[dict[str, Any]]]
    draw: Callable[[], Any]  # the chart of one panel
    caption: Callable[[CellResults], str]  # what is drawn, over which units
    file: Path | Callable[[str], Path] = layout.scores  # where its rows are from, by landscape unless it is one
    # Title and subtitle of the figure that is kept in git; None: there is no such figure.
    finding: Callable[[CellResults], tuple[str, str]] | None = None

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Vega-Lite with DVC's anchor in the place of the rows."""
        chart, rows = self.draw(), alt.NamedData("rows")
        if "panel" in self.columns:
            chart = chart.facet(alt.Facet("panel:N", title=None), data=rows, columns=2)
        else:
            chart.data = rows
        if "ci_low" in self.columns:
            bounds = "format(datum.ci_low, '.4f') + ' to ' + format(datum.ci_high, '.4f')"
            chart = chart.transform_calculate(interval=f"{KNOWN} ? {bounds} : 'none, too few'")
        # DVC hands over the CSV's text, so the numbers are parsed by the spec.
        numbers = {column: kind for column, kind in self.columns.items() if kind == "number"}
        data = {"values": ANCHOR, "format": {"parse": numbers}}
        return spec(chart, data=data)

    def data(self, cell: CellResults) -> list[dict[str, Any]]:
        """The rows of a cell, with None for NaN, which JSON does not have."""
        rows = ({column: row[column] for column in self.columns} for row in self.rows(cell))
        return [{column: None if value != value else value for column, value in row.items()} for row in rows]

    def csv(self, rows: list[dict[str, Any]]) -> str:
        """Rows of `data` as `reports/plots/NAME.csv`, with four decimals."""
        return csv_text(list(self.columns), rows)

    def figure(self, cell: CellResults, rows: list[dict[str, Any]]) -> str | None:
        """The figure in git as SVG, drawn from rows of `data`; None where it has none."""
        if not self.finding:
            return None
        title, subtitle = self.finding(cell)
        below = [subtitle, f"Cell: {cell.name}."]
        said = {"text": title, "subtitle": below, "anchor": "start", "frame": "bounds", "offset": 14}
        # The bits that differ between processors are the last ones.
        rounded = [
            {name: round(one, 6) if isinstance(one, float) else one for name, one in row.items()} for row in rows
        ]
        return svg({**self.of(cell, rounded), "title": said})

    def of(self, cell: CellResults, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The spec with rows of `data`, under the cell's name."""
        return filled(_of_one_cell(self.spec, rows), [{**row, "rev": cell.name} for row in rows])


def _of_one_cell(spec: Any, rows: Sequence[dict[str, Any]]) -> Any:
    """The spec without what only a comparison by `dvc plots` needs: systems without rows, a legend of cells."""
    if isinstance(spec, list):
        return [_of_one_cell(one, rows) for one in spec]
    if not isinstance(spec, dict):
        return spec
    found = {name: _of_one_cell(one, rows) for name, one in spec.items()}
    if found.get("field") == "rev" and "legend" in found:
        found["legend"] = None
    if found.get("field") == "system" and (scale := found.get("scale", {})).get("domain"):
        there = {row.get("system") for row in rows}
        pairs = [pair for pair in zip(scale["domain"], scale["range"], strict=False) if pair[0] in there]
        found["scale"] = {**scale, "domain": [name for name, _ in pairs], "range": [look for _, look in pairs]}
    return found


def scored(cell: CellResults, landscape: LandscapeResults, task: Task) -> pd.DataFrame:
    """Scores of a landscape by the leading metric of a task: rows in the order of its systems, without oracles."""
    names = systems(task)
    ours = cell.scores[(cell.scores["landscape"] == landscape.name) & (cell.scores["task"] == task)]
    ours = ours[(ours["metric"] == SHOWN[task][1]) & ours["system"].isin(names)]
    return ours.iloc[ours["system"].map(names.index).argsort(kind="stable")] if len(ours) else ours


def per_landscape(
    rows: Callable[[CellResults, LandscapeResults], pd.DataFrame], unit: str
) -> Callable[[CellResults], list[dict[str, Any]]]:
    """The rows of every landscape, each in a panel of its own; `unit` is what a row's `n` counts."""
    return lambda cell: [row for one in cell.landscapes for row in panelled(one, rows(cell, one), unit)]


def panelled(landscape: LandscapeResults, rows: pd.DataFrame, unit: str) -> list[dict[str, Any]]:
    """The rows with the title of their panel: the landscape, whether it is simulated, and the units of a row."""
    name = landscape.name + (" (simulated)" if landscape.entry.simulated else "")
    counts = sorted({int(rows["n"].min()), int(rows["n"].max())}) if len(rows) else []
    return records(rows.assign(panel=f"{name}, {' to '.join(f'{count:,}' for count in counts)} {unit}"))


def names_axis() -> Any:
    """The vertical axis of rows with names."""
    return alt.Axis(grid=True, ticks=False, domain=False, labelPadding=8)


def lower_bound(title: str) -> Any:
    """The axis of scores, at the lower end of their intervals."""
    return alt.X("ci_low:Q", title=f"{title} (95 % interval)", scale=alt.Scale(zero=True, nice=True))


def colour(names: Sequence[str] = tuple(COLOURS), channel: type[Any] = alt.Color) -> Any:
    """The colour of a row's system; it needs no legend, as the axis or a label names the system."""
    scale = alt.Scale(domain=list(names), range=[COLOURS[name] for name in names])
    return channel("system:N", scale=scale, legend=None)


def shape() -> Any:
    """The shape by revision; a picture of one cell drops its legend."""
    legend = alt.Legend(title="cell", symbolStrokeColor=INK, symbolFillColor=INK)
    return alt.Shape("rev:N", sort=None, legend=legend, scale=alt.Scale(range=SHAPES))


def dashes() -> Any:
    """The dashes by revision; a picture of one cell drops their legend."""
    legend = alt.Legend(title="cell", symbolType="stroke", symbolStrokeColor=INK)
    return alt.StrokeDash("rev:N", sort=None, legend=legend)


def tooltip(*fields: str | Any, value: str = "value", interval: bool = True) -> list[Any]:
    """The tooltip of a row: its revision, these fields, its value and its interval."""
    shown = [*fields, alt.Tooltip(f"{value}:Q", format=".4f"), *(["interval"] if interval else [])]
    return ["rev:N", *(f"{one}:N" if isinstance(one, str) else one for one in shown)]
