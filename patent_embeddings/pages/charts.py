"""One Vega-Lite spec a picture: the page, `dvc plots` and the PNG all draw it.

A spec carries DVC's anchor where its rows go. `python -m stages.charts` writes the specs as templates
of `dvc plots`. Rows have a `rev`: the cell's name on the page, the revision in `dvc plots diff`.
"""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any

import altair as alt
import PIL.Image
import vl_convert

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ANCHOR = "<DVC_METRIC_DATA>"
PANEL = 330  # width of a panel in pixels, where nothing else decides it

COLOURS = {
    "bm25": "#c77700",
    "dense": "#2b6cb0",
    "rrf": "#15857a",
    "interpolation": "#7b4fa3",
    "reranked": "#b8336a",
    "probe": "#2b6cb0",
    "knn": "#58a6c9",
    "prior": "#8a8f98",
    "kmeans": "#2b6cb0",
    "random": "#8a8f98",
}
_KNOWN = "isValid(datum.ci_low)"  # few units have no interval
LABEL_SETS = ["ipc-section", "ipc-class", "ipc-subclass", "cpc-subclass", "own"]

# Columns of each picture's data; `rev` is added by whoever draws it. Not named `step`: DVC writes a row number there.
COLUMNS: dict[str, dict[str, str]] = {
    "headline": {"panel": "text", "system": "text", "value": "number", "ci_low": "number", "ci_high": "number"},
    "inout": {"panel": "text", "system": "text", "scope": "text", "value": "number", "ci_low": "number", "ci_high": "number"},
    "fusion": {"panel": "text", "method": "text", "setting": "number", "split": "text", "value": "number", "mark": "text"},
    "classification": {"panel": "text", "label_set": "text", "system": "text", "value": "number", "ci_low": "number", "ci_high": "number"},
    "clustering": {"panel": "text", "label_set": "text", "system": "text", "value": "number", "ci_low": "number", "ci_high": "number"},
    "training": {"split": "text", "optimiser_step": "number", "loss": "number"},
}  # fmt: skip


@cache
def spec(name: str) -> dict[str, Any]:
    """Vega-Lite spec of a picture, DVC's anchor in the place of its rows."""

    draw: dict[str, Callable[[], Any]] = {
        "headline": _headline,
        "inout": _inout,
        "fusion": _fusion,
        "classification": lambda: _floors("micro-F1, test families", ["probe", "knn", "prior"]),
        "clustering": lambda: _floors("AMI, test families", ["kmeans", "random"]),
        "training": _training,
    }
    numbers = {column: "number" for column, kind in COLUMNS[name].items() if kind == "number"}
    chart, rows = draw[name](), alt.NamedData("rows")
    if "panel" in COLUMNS[name]:
        chart = chart.facet(alt.Facet("panel:N", title=None), data=rows, columns=2)
    else:
        chart.data = rows
    if "ci_low" in COLUMNS[name]:
        bounds = "format(datum.ci_low, '.4f') + ' to ' + format(datum.ci_high, '.4f')"
        chart = chart.transform_calculate(interval=f"{_KNOWN} ? {bounds} : 'none, too few'")
    # DVC hands over the CSV's text, so the numbers are parsed by the spec.
    data = {"values": ANCHOR, "format": {"parse": numbers}}
    return {**styled(chart).to_dict(), "background": "transparent", "data": data}


def filled(spec: dict[str, Any], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The spec with rows in the place of the anchor."""
    return {**spec, "data": {**spec["data"], "values": list(rows)}}


@cache
def script() -> str:
    """JavaScript that defines `vegaEmbed`, everything inside; fit for a script element."""

    bundle: str = vl_convert.javascript_bundle(snippet="window.vegaEmbed = vegaEmbed;")
    return bundle.replace("</script", "<\\/script")  # nothing in it may end its element


def template_page() -> str:
    """Page for `dvc plots show` and `diff` that needs no network, unlike DVC's own."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{refresh_tag}\n<title>Plots</title>\n'
        "<style>body { font: 15px sans-serif; margin: 2rem; }</style>\n"
        f"<script>{script()}</script>\n</head>\n<body>\n{{plot_divs}}\n</body>\n</html>\n"
    )


def png(spec: dict[str, Any]) -> bytes:
    """The picture on white at twice its size; the same spec gives the same bytes."""

    image = vl_convert.vegalite_to_png({**spec, "background": "white", "padding": 12}, scale=2)
    smaller = io.BytesIO()  # vl-convert hardly compresses, and git keeps every version
    PIL.Image.open(io.BytesIO(image)).convert("RGB").save(smaller, "PNG", optimize=True)
    return smaller.getvalue()


def _headline() -> Any:

    rows = alt.Chart().encode(**_rows("system", list(COLOURS)), color=_colour("system"))
    return alt.layer(
        rows.transform_filter(_KNOWN).mark_rule(strokeWidth=2.5).encode(x=_score("ci_low", "nDCG@10, test queries"), x2="ci_high:Q"),
        rows.mark_point(filled=True, size=75, opacity=1).encode(x="value:Q", shape=_revision("shape"), tooltip=_tooltip("system")),
        rows.mark_text(dy=-10, fontSize=10).encode(x="value:Q", text=alt.Text("value:Q", format=".3f"), color=alt.ColorValue("currentColor")),
        width=PANEL, height=alt.Step(36),
    )  # fmt: skip


def _inout() -> Any:

    rows = (
        alt.Chart()
        .transform_calculate(label="upper(datum.scope) + ' ' + format(datum.value, '.3f')")
        .encode(**_rows("system", list(COLOURS)), color=_colour("system"), detail="rev:N")
    )
    return alt.layer(
        rows.transform_filter(_KNOWN).mark_rule(strokeWidth=2.5, opacity=0.5).encode(x=_score("ci_low", "nDCG@10, test queries with both"), x2="ci_high:Q"),
        rows.mark_point(size=75, strokeWidth=2, opacity=1).encode(
            x="value:Q", fill=_colour("system", channel="fill"), shape=_revision("shape"), tooltip=_tooltip("system", "scope"),
            fillOpacity=alt.FillOpacity("scope:O", scale=alt.Scale(domain=["in", "out"], range=[1, 0]), legend=None),
        ),
        *(
            # IN above its point, OUT below, so that close ones stay legible.
            rows.transform_filter(f"datum.scope == '{scope}'").mark_text(dy=dy, fontSize=10)
            .encode(x="value:Q", text="label:N", color=alt.ColorValue("currentColor"))
            for scope, dy in (("in", -11), ("out", 12))
        ),
        width=PANEL, height=alt.Step(44),
    )  # fmt: skip


def _fusion() -> Any:

    purple = COLOURS["interpolation"]
    weights = alt.Chart().transform_filter("datum.method == 'interpolation'")
    position = {
        "x": alt.X("setting:Q", title="weight of dense (0: BM25 alone, 1: dense alone)", scale=alt.Scale(domain=[0, 1])),
        "y": alt.Y("value:Q", title=None, scale=alt.Scale(zero=False, nice=True)),
    }  # fmt: skip
    split = alt.Opacity(
        "split:N", title="split", sort=["test", "dev"], scale=alt.Scale(domain=["test", "dev"], range=[1, 0.4])
    )
    marks = alt.Shape(
        "mark:N", title="on test", scale=alt.Scale(domain=["chosen", "oracle"], range=["circle", "diamond"]),
        legend=alt.Legend(labelExpr="datum.label == 'chosen' ? 'chosen on dev' : 'oracle: best on test, not a score'"),
    )  # fmt: skip
    return alt.layer(
        weights.mark_line(color=purple, strokeWidth=2).encode(**position, opacity=split, strokeDash=_revision("strokeDash")),
        alt.Chart().transform_filter("datum.method == 'rrf' && datum.mark == 'chosen' && datum.split == 'test'")
        .mark_rule(color=COLOURS["rrf"], strokeWidth=1.5).encode(y="value:Q", strokeDash=_revision("strokeDash")),
        alt.Chart().transform_filter("datum.method == 'rrf' && datum.mark == 'chosen' && datum.split == 'test'")
        .mark_text(color=COLOURS["rrf"], align="left", baseline="bottom", dx=4, dy=-3, fontSize=10)
        .encode(x=alt.value(0), y="value:Q", text=alt.value("RRF, chosen k")),
        weights.transform_filter("datum.split == 'test' && datum.mark != ''")
        .mark_point(filled=False, size=110, strokeWidth=2.2, color=purple, opacity=1).encode(**position, shape=marks, tooltip=_tooltip("mark", "setting", interval=False)),
        width=PANEL, height=220,
    )  # fmt: skip


def _floors(title: str, systems: list[str]) -> Any:

    # One line within a label set for each system and revision.
    line = {"line": "datum.system + ' ' + datum.rev", "place": f"indexof({systems}, datum.system)"}
    rows = (
        alt.Chart()
        .transform_calculate(**line)
        .encode(
            y=alt.Y("label_set:N", sort=LABEL_SETS, title=None, axis=alt.Axis(grid=True, ticks=False, domain=False)),
            yOffset=alt.YOffset("line:N", sort=alt.EncodingSortField("place", op="min")),
            detail="rev:N",
            color=_colour("system", systems),
        )
    )
    return alt.layer(
        rows.transform_filter(_KNOWN).mark_rule(strokeWidth=2.5).encode(x=_score("ci_low", title), x2="ci_high:Q"),
        rows.mark_point(filled=True, size=60, opacity=1).encode(x="value:Q", shape=_revision("shape"), tooltip=_tooltip("system", "label_set")),
        width=PANEL, height=alt.Step(14, **{"for": "offset"}),
    )  # fmt: skip


def _training() -> Any:

    curve = alt.Chart().encode(
        x=alt.X("optimiser_step:Q", title="optimiser step"),
        y=alt.Y("loss:Q", title="contrastive loss", scale=alt.Scale(zero=False)),
        color=alt.Color(
            "split:N", title="pairs", scale=alt.Scale(domain=["train", "dev"], range=["#9db7d5", "#1f4e86"])
        ),
        strokeDash=_revision("strokeDash"),
    )
    return alt.layer(
        curve.mark_line(strokeWidth=2),
        curve.transform_filter("datum.split == 'dev'").mark_point(filled=True, size=55, opacity=1)
        .encode(tooltip=_tooltip("split", "optimiser_step", value="loss", interval=False)),
        width=2 * PANEL, height=220,
    )  # fmt: skip


def _rows(field: str, order: list[str]) -> dict[str, Any]:
    """One row a system, and within it one a revision."""

    axis = alt.Axis(grid=True, ticks=False, domain=False)
    return {"y": alt.Y(f"{field}:N", sort=order, title=None, axis=axis), "yOffset": alt.YOffset("rev:N", sort=None)}


def _score(field: str, title: str) -> Any:

    return alt.X(f"{field}:Q", title=f"{title} (95 % interval)", scale=alt.Scale(zero=True, nice=True))


def _colour(field: str, legend: list[str] | None = None, channel: str = "color") -> Any:

    names = legend or list(COLOURS)
    scale = alt.Scale(domain=names, range=[COLOURS[name] for name in names])
    encoding = alt.Fill if channel == "fill" else alt.Color
    return encoding(f"{field}:N", title="system", scale=scale, legend=alt.Legend() if legend else None)


def _revision(channel: str) -> Any:
    """The channel that tells revisions apart; its legend names the cell where there is one only."""

    if channel == "shape":
        legend = alt.Legend(title="cell", symbolStrokeColor="#666", symbolFillColor="#666")
        return alt.Shape(
            "rev:N", sort=None, legend=legend, scale=alt.Scale(range=["circle", "square", "triangle-up", "diamond"])
        )
    return alt.StrokeDash(
        "rev:N", sort=None, legend=alt.Legend(title="cell", symbolType="stroke", symbolStrokeColor="#888")
    )


def _tooltip(*fields: str, value: str = "value", interval: bool = True) -> list[Any]:

    shown = [*fields, alt.Tooltip(f"{value}:Q", format=".4f"), *(["interval"] if interval else [])]
    return ["rev:N", *(f"{one}:N" if isinstance(one, str) else one for one in shown)]


def styled(chart: Any) -> Any:
    """The look that all pictures share."""
    # `currentColor` follows the page between light and dark. Liberation Sans comes with vl-convert,
    # so that the PNG does not depend on the fonts of the machine.
    ink, faint = (
        "currentColor",
        {"gridColor": "currentColor", "gridOpacity": 0.12, "domainOpacity": 0.4, "tickOpacity": 0.4},
    )
    return (
        chart.configure(font="Liberation Sans, Arial, Helvetica, sans-serif")
        .configure_axis(labelColor=ink, titleColor=ink, domainColor=ink, tickColor=ink, titleFontWeight="normal", labelFontSize=11, titleFontSize=11, tickCount=6, **faint)
        .configure_legend(labelColor=ink, titleColor=ink, titleFontWeight="normal", orient="bottom", labelFontSize=11, titleFontSize=11, labelLimit=260, columns=3)
        .configure_header(labelColor=ink, labelFontSize=12, labelFontWeight="bold", labelAnchor="start")
        .configure_view(stroke=None)
    )  # fmt: skip
