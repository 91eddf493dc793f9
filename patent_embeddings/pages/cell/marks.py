"""Axes, colours, shapes and tooltips of a cell's pictures.

Every row has a `rev`: the cell's name on the page, the revision in `dvc plots diff`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from patent_embeddings.evaluation.systems import LABEL_SETS, SHOWN, Task, systems
from patent_embeddings.pages.colours import COLOURS, INK, SHAPES

PANEL = 330  # width of a panel in pixels, where nothing else decides it
KNOWN = "isValid(datum.ci_low)"  # there is no interval of few units


def _names() -> Any:
    """The vertical axis of rows with names."""
    return alt.Axis(grid=True, ticks=False, domain=False, labelPadding=8)


def by_system() -> dict[str, Any]:
    """Encodings of one row for each system, and within it one for each revision."""
    system = alt.Y("system:N", sort=list(COLOURS), title=None, axis=_names())
    return {"y": system, "yOffset": alt.YOffset("rev:N", sort=None)}


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


def against_floor(task: Task) -> Any:
    """The chart of a label task: a row for each label set, and within it one for each system and revision."""
    names = list(systems(task))
    title = f"{SHOWN[task][1]}, test families"
    places = {"line": "datum.system + ' ' + datum.rev", "place": f"indexof({names}, datum.system)"}
    rows = (
        alt.Chart()
        .transform_calculate(**places)
        .encode(
            y=alt.Y("label_set:N", sort=list(LABEL_SETS), title=None, axis=_names()),
            yOffset=alt.YOffset("line:N", sort=alt.EncodingSortField("place", op="min")),
            detail="rev:N",
            color=colour(names),
        )
    )
    intervals = rows.transform_filter(KNOWN).mark_rule(strokeWidth=2.5).encode(x=lower_bound(title), x2="ci_high:Q")
    points = rows.mark_point(filled=True, size=60, opacity=1)
    points = points.encode(x="value:Q", shape=shape(), tooltip=tooltip("system", "label_set"))
    named = rows.transform_calculate(end="isValid(datum.ci_high) ? datum.ci_high : datum.value")
    words = named.mark_text(align="left", baseline="middle", dx=7, fontSize=10)
    words = words.encode(x="end:Q", text="system:N", color=alt.ColorValue(INK))
    return alt.layer(intervals, points, words, width=PANEL, height=alt.Step(14, **{"for": "offset"}))
