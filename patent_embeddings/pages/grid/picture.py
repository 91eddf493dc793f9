"""A picture of the grid: one Vega-Lite spec, rows included, for the page and for the figure in git.

Where the grid has no cells for a picture, the page names the command that computes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import altair as alt
import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.evaluation.scores import records
from patent_embeddings.evaluation.systems import RETRIEVAL
from patent_embeddings.grid.cell import COLUMNS
from patent_embeddings.grid.comparisons import Tested
from patent_embeddings.grid.gather import Grid
from patent_embeddings.pages import charts
from patent_embeddings.pages.colours import CHANGE, COLOURS, DASHES, INK, ON_CHANGE, PALETTE, SHAPES

RUN = "python -m stages.grid run"
OUTCOMES = f"data/outcomes of every experiment that {layout.GRID_SCORES.as_posix()} has"
PANEL = 330  # width of a panel in pixels
# Of many cells not everything fits: panels, rows and colours that are shown at first, at most.
PANELS, ROWS, SERIES = 4, 16, len(PALETTE)
_COLOURED = {"cell": "cells", "model": "models", "system": "systems", "where": "landscapes"}


@dataclass(frozen=True)
class Material:
    """Data of the pictures: a grid, its comparisons, and the family and millions of parameters of each model."""

    grid: Grid
    tested: Sequence[Tested]
    sizes: Mapping[str, tuple[str, float]]

    @property
    def simulated(self) -> pd.DataFrame:
        """Columns `landscape` and `simulated`."""
        return self.grid.outcomes[["landscape", "simulated"]].drop_duplicates()

    def tuned(self) -> pd.DataFrame:
        """Comparisons of tuned cells with their zero-shot ones as rows; `config` is the tuned cell's."""
        columns = ["config", "landscape", "task", "metric", "value", "low", "high", "n", "significant"]
        found = []
        for one in self.tested:
            if one.hypotheses == "tuned":
                change = (one.result.difference, one.result.low, one.result.high, one.result.n)
                found.append((one.first[0], one.landscape, one.task, one.metric, *change, one.significant))
        return pd.DataFrame(found, columns=columns)


@dataclass(frozen=True)
class Picture:
    """A picture of any grid: `draw` returns its chart, or None without the cells that `command` would compute."""

    title: str
    caption: str
    command: str
    draw: Callable[[Material], Any]
    source: str = OUTCOMES  # files that its rows are from
    timed: bool = False  # whether it shows times, which no two runs share: it has no figure in git then
    spec: dict[str, Any] | None = None  # of a grid that has cells for it: Vega-Lite with its rows

    def of(self, material: Material) -> Picture:
        """The picture with the spec of a grid."""
        chart = self.draw(material)
        return replace(self, spec=None if chart is None else charts.spec(chart))


def labels(rows: pd.DataFrame) -> pd.Series:
    """A label for each row's cell, without what all rows share; never empty. Rows are `units.described`."""
    told = [key for key in COLUMNS if key != "dimensions"]  # which `variant` has too
    differing = [key for key in told if rows[key].nunique() > 1] or ["model"]
    if differing == ["variant"]:  # which is empty of a cell as params.yaml has it
        differing = ["model", "variant"]
    if "recipe" in differing and "trained_on" not in differing:
        differing.append("trained_on")
    words = zip(*(rows[key] for key in differing), strict=True)
    return pd.Series([" ".join(dict.fromkeys(str(word) for word in row if word)) for row in words], index=rows.index)


def landscapes(rows: pd.DataFrame) -> pd.Series:
    """Name of each row's landscape, marked where it is simulated."""
    names = rows["landscape"].astype(str)
    return names.where(~rows["simulated"].astype(bool), names + " (simulated)")


def counted(rows: pd.DataFrame, panels: pd.Series) -> pd.Series:
    """The panel of each row with the range of `n` over its rows: `..., n = 79 to 99`."""
    n = rows["n"].groupby(panels)
    fewest, most = n.transform("min").astype(str), n.transform("max").astype(str)
    return panels + ", n = " + fewest.where(fewest == most, fewest + " to " + most)


def faceted(chart: Any, rows: pd.DataFrame, by: str, columns: int) -> Any:
    """The chart with these rows, in a panel for each value of the column `by`."""
    panels = list(dict.fromkeys(rows[by]))
    data = alt.Data(values=[{key: _plain(value) for key, value in row.items()} for row in records(rows)])
    return chart.facet(alt.Facet(f"{by}:N", title=None, sort=panels), data=data, columns=columns)


def _plain(value: Any) -> Any:
    """A value for JSON: floats rounded, NaN as None."""
    if not isinstance(value, float):
        return value
    return None if value != value else round(value, 5)


def looks(rows: pd.DataFrame, column: str) -> tuple[Any, Any]:
    """Scales of the colours and the shapes of a column; a system has those that it has on every page."""
    if column != "system":
        return alt.Scale(range=PALETTE), alt.Scale(range=SHAPES)
    # In the order of the rows, which encodings without a sort keep; with a domain Vega-Lite would draw no legend.
    names = dict.fromkeys(rows[column])
    shapes = dict(zip(RETRIEVAL, SHAPES, strict=True))
    return tuple(alt.Scale(range=[look[name] for name in names]) for look in (COLOURS, shapes))


def told_apart(rows: pd.DataFrame, column: str, title: str | None, **options: Any) -> dict[str, Any]:
    """Encodings of points by colour and by shape, for readers who cannot tell colours apart, with one legend."""
    colours, shapes = looks(rows, column)
    if column == "system":
        options["sort"] = None
    return {
        "fill": alt.Fill(f"{column}:N", title=title, scale=colours, **options),
        "shape": alt.Shape(f"{column}:N", title=title, scale=shapes, **options),
    }


def points(
    rows: pd.DataFrame, x: Any, y: Any, by: str, title: str, tips: Sequence[Any], *, joined: bool = False,
    intervals: bool = True, named: str = "",
) -> Any:  # fmt: skip
    """Points over a number, in colours and shapes by the column `by` of this title, a panel for each `landscape`.

    `joined`: a line joins the points of each value of `by`. `intervals`: rows have `low` and `high`. `named`: the
    column of the label beside each point.
    """
    colour = alt.Color(f"{by}:N", scale=alt.Scale(range=PALETTE), legend=None)
    base = alt.Chart().encode(x=x, y=y, color=colour)
    layers = [base.mark_point(size=60, opacity=1).encode(tooltip=list(tips), **told_apart(rows, by, title))]
    if intervals:
        layers.insert(0, base.mark_rule(strokeWidth=1.5).encode(y="low:Q", y2="high:Q"))
    if joined:
        dashes = alt.StrokeDash(f"{by}:N", scale=alt.Scale(range=DASHES), legend=None)
        layers.insert(0, base.mark_line(strokeWidth=1.5).encode(strokeDash=dashes))
    if named:
        words = base.mark_text(align="left", dx=8, dy=4, fontSize=10)
        layers.append(words.encode(text=f"{named}:N", color=alt.ColorValue(INK)))
    return faceted(alt.layer(*layers, width=PANEL, height=240), rows, "landscape", 2)


def dots(
    rows: pd.DataFrame, x: str, y: str, colour: str, *, zero: bool = True, order: Any = None, by: str = "landscape",
    columns: int = 2,
) -> Any:  # fmt: skip
    """Points with intervals: a line for each value of the column `y`, a panel for each of `by`, `columns` side by side.

    Rows have `value`, `low`, `high`, `n` and optionally `significant`. `x` is the title of the axis of values, `colour`
    the column that colours and shapes show, `order` that of the lines; with `zero` the axis starts at 0.
    """
    axis = alt.Axis(grid=True, ticks=False, domain=False, labelLimit=220, labelPadding=8)
    scale, _ = looks(rows, colour)
    base = alt.Chart().encode(
        y=alt.Y(f"{y}:N", title=None, sort=order, axis=axis),
        yOffset=alt.YOffset(f"{colour}:N", sort=None),
        color=alt.Color(f"{colour}:N", title=None, sort=None, scale=scale, legend=None),
    )
    numbers = [alt.Tooltip(f"{name}:Q", format=".4f") for name in ("value", "low", "high")]
    points: dict[str, Any] = {"tooltip": [f"{y}:N", f"{colour}:N", *numbers, "n:Q"]}
    rule = alt.Chart().mark_rule(strokeDash=[3, 3], color=INK).encode(x=alt.datum(0))
    if "significant" in rows:
        filled = alt.Scale(domain=[True, False], range=[1, 0])
        points["fillOpacity"] = alt.FillOpacity("significant:O", scale=filled, legend=None)
    low = alt.X("low:Q", title=x, scale=alt.Scale(zero=zero, nice=True))
    layers = [
        *([rule] if "significant" in rows else []),
        base.mark_rule(strokeWidth=2).encode(x=low, x2="high:Q"),
        base.mark_point(size=60, strokeWidth=2, opacity=1).encode(
            x="value:Q", **told_apart(rows, colour, None, sort=None), **points
        ),
    ]
    step = max(16, 11 * rows[colour].nunique() + 6)
    height = alt.Step(step, **{"for": "position"})
    return faceted(alt.layer(*layers, width=PANEL, height=height), rows, by, columns)


def heat(rows: pd.DataFrame, titles: dict[str, str], title: str, by: str, columns: int) -> Any:
    """A coloured tile for each row, with its `text` and `interval`; `titles`: of the fields of columns and lines."""
    limit = float(rows["value"].abs().max()) or 1.0  # where nothing changed
    (x, across), (y, down) = titles.items()
    base = alt.Chart().encode(
        x=alt.X(f"{x}:N", title=across, axis=alt.Axis(labelAngle=0, domain=False, ticks=False)),
        y=alt.Y(f"{y}:N", title=down, axis=alt.Axis(domain=False, ticks=False)),
    )
    colour = alt.Color("value:Q", title=title, scale=alt.Scale(domain=[-limit, 0, limit], range=CHANGE))
    chart = alt.layer(
        base.mark_rect().encode(color=colour),
        base.mark_text(dy=-5, fontSize=12, color=ON_CHANGE).encode(text="text:N"),
        base.mark_text(dy=10, fontSize=10, color=ON_CHANGE).encode(text="interval:N"),
        width=PANEL,
        height=alt.Step(48),
    )
    return faceted(chart, rows, by, columns).properties(usermeta={"least": 100 * rows[x].nunique()})


def seeds(rows: pd.DataFrame, title: str, by: str, columns: int) -> Any:
    """A point for each row, on the line of its `cell`, coloured and shifted by its landscape (`where`)."""
    chart = (
        alt.Chart()
        .mark_point(filled=True, size=60, opacity=1)
        .encode(
            y=alt.Y("cell:N", title=None, axis=alt.Axis(grid=True, ticks=False, domain=False)),
            yOffset=alt.YOffset("where:N"),
            x=alt.X("value:Q", title=title, scale=alt.Scale(zero=False)),
            **told_apart(rows, "where", None),
            tooltip=["cell:N", "where:N", "seed:Q", alt.Tooltip("value:Q", format=".4f"), "n:Q"],
        )
    )
    return faceted(chart.properties(width=PANEL, height=alt.Step(30, **{"for": "position"})), rows, by, columns)


def fitted(spec: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """A spec with no more panels, rows and colours than fit, and words for the part; the same spec and "" if all fit.

    The first panels are kept, and the rows and colours with the highest mean values.
    """
    rows = spec["data"]["values"]
    panel = spec["facet"]["field"]
    kept, said = rows, []
    if len(panels := list(dict.fromkeys(row[panel] for row in rows))) > PANELS:
        kept = [row for row in kept if row[panel] in panels[:PANELS]]
        said.append(f"{PANELS} of {len(panels)} panels")
    for channel, most in (("y", ROWS), ("fill", SERIES)):
        field = _named(spec["spec"], channel)
        every = {row[field] for row in kept} if field else set()
        if field and len(every) > most:
            best = _highest(kept, field, most)
            kept = [row for row in kept if row[field] in best]
            what = "rows" if channel == "y" else _COLOURED.get(field, "colours")
            said.append(f"the {most} of {len(every)} {what} with the highest values")
    if not said:
        return spec, ""
    facet = {**spec["facet"], "sort": [one for one in panels if any(row[panel] == one for row in kept)]}
    return {**spec, "facet": facet, "data": {**spec["data"], "values": kept}}, ", ".join(said)


def _named(spec: dict[str, Any], channel: str) -> str | None:
    """The field of a channel of names; None where the channel has numbers, or is not there."""
    for layer in (spec, *spec.get("layer", ())):
        found = layer.get("encoding", {}).get(channel, {})
        if found.get("type") == "nominal":
            return str(found["field"])
    return None


def _highest(rows: Sequence[dict[str, Any]], field: str, most: int) -> set[Any]:
    values: dict[Any, list[float]] = {}
    for row in rows:
        values.setdefault(row[field], []).append(row["value"] if row["value"] is not None else float("-inf"))
    means = {name: sum(ours) / len(ours) for name, ours in values.items()}
    return set(sorted(means, key=lambda name: (-means[name], str(name)))[:most])
