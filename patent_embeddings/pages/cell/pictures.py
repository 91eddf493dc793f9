"""The pictures of a cell, in the order of the page: a picture is a row of `PLOTS`, with how its rows are drawn."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import altair as alt
import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.evaluation.scores import records
from patent_embeddings.evaluation.systems import LABEL_SETS, SHOWN, Task, systems
from patent_embeddings.pages.cell.binned import binned
from patent_embeddings.pages.cell.plot import (
    KNOWN,
    PANEL,
    SCORED,
    Plot,
    colour,
    dashes,
    lower_bound,
    names_axis,
    panelled,
    per_landscape,
    scored,
    shape,
    tooltip,
)
from patent_embeddings.pages.cell.results import CellResults, LandscapeResults
from patent_embeddings.pages.colours import COLOURS, CURVES, GREY, INK

NAMED = 3  # landscapes that fit into the title of a figure


def _by_system() -> dict[str, Any]:
    """Encodings of one row for each system, and within it one for each revision."""
    system = alt.Y("system:N", sort=list(COLOURS), title=None, axis=names_axis())
    return {"y": system, "yOffset": alt.YOffset("rev:N", sort=None)}


def _retrieved(*scopes: str) -> Callable[[CellResults, LandscapeResults], pd.DataFrame]:
    """The scores of retrieval in some scopes."""

    def rows(cell: CellResults, landscape: LandscapeResults) -> pd.DataFrame:
        found = scored(cell, landscape, "retrieval")
        found = found[found["scope"].isin(scopes)]
        return found.assign(scope=found["scope"].str.removesuffix("-paired"))

    return rows


def _headline() -> Any:
    rows = alt.Chart().encode(**_by_system(), color=colour())
    axis = lower_bound("nDCG@10, test queries")
    number = {"text": alt.Text("value:Q", format=".3f"), "color": alt.ColorValue(INK)}
    return alt.layer(
        rows.transform_filter(KNOWN).mark_rule(strokeWidth=2.5).encode(x=axis, x2="ci_high:Q"),
        rows.mark_point(filled=True, size=75, opacity=1).encode(x="value:Q", shape=shape(), tooltip=tooltip("system")),
        rows.mark_text(dy=-10, fontSize=10).encode(x="value:Q", **number),
        width=PANEL,
        height=alt.Step(36),
    )


def _inout() -> Any:
    label = "upper(datum.scope) + ' ' + format(datum.value, '.3f')"
    rows = alt.Chart().transform_calculate(label=label).encode(**_by_system(), color=colour(), detail="rev:N")
    intervals = rows.transform_filter(KNOWN).mark_rule(strokeWidth=2)
    points = rows.mark_point(size=75, strokeWidth=2, opacity=1).encode(
        x="value:Q",
        fill=colour(channel=alt.Fill),
        shape=shape(),
        tooltip=tooltip("system", "scope"),
        fillOpacity=alt.FillOpacity("scope:O", scale=alt.Scale(domain=["in", "out"], range=[1, 0]), legend=None),
    )
    words = [
        # IN above its point, OUT below, so that close ones stay legible, and to its right, since it may be near 0.
        rows.transform_filter(f"datum.scope == '{scope}'")
        .mark_text(dy=dy, dx=dx, align=align, fontSize=10)
        .encode(x="value:Q", text="label:N", color=alt.ColorValue(INK))
        for scope, dy, dx, align in (("in", -11, 0, "center"), ("out", 12, -4, "left"))
    ]
    axis = lower_bound("nDCG@10, test queries with both")
    return alt.layer(intervals.encode(x=axis, x2="ci_high:Q"), points, *words, width=PANEL, height=alt.Step(44))


def _inout_finding(cell: CellResults) -> tuple[str, str]:
    """Title and subtitle: the share of its in-domain score that the dense run keeps out of domain."""
    simulated = "Simulated landscapes: nothing about real patents. " if cell.simulated else ""
    subtitle = f"{simulated}IN: query and relevant family share a class or domain. OUT: they share none."
    kept = {}
    for landscape in cell.landscapes:
        found = scored(cell, landscape, "retrieval")
        of = found[found["system"] == "dense"].set_index("scope")["value"]
        if of.get("in-paired"):
            kept[landscape.name] = 100 * of["out-paired"] / of["in-paired"]
    if not kept:
        return "No test query has relevant families both in and out of its domain", subtitle
    first, *rest = (f"{share:.0f} %{{}} on {name}" for name, share in kept.items())
    words = ", ".join([first.format(" of its nDCG@10"), *(one.format("") for one in rest)])
    if len(kept) > NAMED:
        words = f"{min(kept.values()):.0f} to {max(kept.values()):.0f} % of its nDCG@10 on {len(kept)} landscapes"
    return f"Out of domain the dense run keeps {words}", subtitle


def _fusion_rows(cell: CellResults) -> list[dict[str, Any]]:
    """Every setting on test and dev; a setting that is both chosen and oracle has a row for each mark."""
    drawn: list[dict[str, Any]] = []
    for landscape in cell.landscapes:
        if landscape.fusion.empty:
            continue
        rows = landscape.fusion.rename(columns={"value": "setting", "score": "value"})
        rows = rows[rows["split"].isin(["dev", "test"])]
        test = rows["split"] == "test"
        marked = [rows[~(test & (rows["chosen"] | rows["oracle"]))].assign(mark="")]
        marked += [rows[test & rows[flag]].assign(mark=flag) for flag in ("chosen", "oracle")]
        ordered = pd.concat(marked).sort_values(["method", "split", "setting", "mark"])
        # Not every query of a split: one whose relevant families are all out of reach tunes and scores nothing.
        asked = landscape.outcomes[landscape.outcomes["scope"] == "all"].drop_duplicates("query_id")
        count = asked["split"].value_counts()
        dev = "" if landscape.cross_fitted else f" and {count.get('dev', 0):,} dev"
        unit = f"test{dev} queries, {landscape.fusion['metric'].iloc[0]}"
        drawn += panelled(landscape, ordered.assign(n=count.get("test", 0)), unit)
    return drawn


def _fusion() -> Any:
    ink = COLOURS["interpolation"]
    weights = alt.Chart().transform_filter("datum.method == 'interpolation'")
    words = "weight of dense (0: BM25 alone, 1: dense alone)"
    place = {
        "x": alt.X("setting:Q", title=words, scale=alt.Scale(domain=[0, 1])),
        "y": alt.Y("value:Q", title="score", scale=alt.Scale(zero=False, nice=True)),
    }
    legend = alt.Legend(symbolType="stroke", symbolOpacity=1)
    scale = alt.Scale(domain=["test", "dev"], range=[ink, GREY])
    split = alt.Color("split:N", title="queries", scale=scale, legend=legend)
    dev = weights.transform_filter("datum.split == 'dev'")
    said = "datum.label == 'chosen' ? 'chosen on other queries' : 'oracle: best on test, no score'"
    shapes = alt.Scale(domain=["chosen", "oracle"], range=["circle", "diamond"])
    mark = alt.Shape("mark:N", title="on test", scale=shapes, legend=alt.Legend(labelExpr=said))
    marked = weights.transform_filter("datum.split == 'test' && datum.mark != ''")
    points = marked.mark_point(filled=False, size=110, strokeWidth=2.2, color=ink, opacity=1)
    rrf = "datum.method == 'rrf' && datum.mark == 'chosen' && datum.split == 'test'"
    level = alt.Chart().transform_filter(rrf)
    name = level.mark_text(color=INK, align="left", baseline="bottom", dx=4, dy=-3, fontSize=10)
    return alt.layer(
        weights.mark_line(strokeWidth=2).encode(**place, color=split, strokeDash=dashes()),
        dev.mark_point(filled=True, size=30, color=GREY, opacity=1).encode(**place),
        level.mark_rule(color=COLOURS["rrf"], strokeWidth=1.5).encode(y="value:Q", strokeDash=dashes()),
        name.encode(x=alt.value(0), y="value:Q", text=alt.value("RRF, chosen k")),
        points.encode(**place, shape=mark, tooltip=tooltip("mark", "setting", interval=False)),
        width=PANEL,
        height=220,
    )


def _fusion_caption(cell: CellResults) -> str:
    said = (
        f"Mean {cell.params.fuse.metric} of interpolation by the weight of the dense leg, over the test queries and "
        "over the dev queries that it is chosen on (with dots). The level is RRF over the test queries."
    )
    if any(one.cross_fitted for one in cell.landscapes):
        said += " Where fusion is cross-fitted there are no dev queries; each setting that some fold chose is marked."
    return said


def _training() -> Any:
    colours = alt.Scale(domain=list(CURVES), range=list(CURVES.values()))
    curve = alt.Chart().encode(
        x=alt.X("optimiser_step:Q", title="optimiser step"),
        y=alt.Y("loss:Q", title="contrastive loss", scale=alt.Scale(zero=False)),
        color=alt.Color("split:N", title="pairs", scale=colours),
        strokeDash=dashes(),
    )
    points = curve.transform_filter("datum.split == 'dev'").mark_point(filled=True, size=55, opacity=1)
    points = points.encode(tooltip=tooltip("split", "optimiser_step", value="loss", interval=False))
    return alt.layer(curve.mark_line(strokeWidth=2), points, width=2 * PANEL, height=220)


def _labelled(task: Task, caption: str) -> Plot:
    """The picture of a label task: each system and its floor by label set."""
    return Plot(
        section=task.capitalize(),
        columns={"panel": "text", "label_set": "text", "system": "text", **SCORED},
        rows=per_landscape(
            lambda cell, one: scored(cell, one, task).rename(columns={"scope": "label_set"}), "test families"
        ),
        draw=partial(_against_floor, task),
        caption=lambda _: caption,
    )


def _against_floor(task: Task) -> Any:
    """A row for each label set, and within it one for each system and revision."""
    names = list(systems(task))
    title = f"{SHOWN[task][1]}, test families"
    places = {"line": "datum.system + ' ' + datum.rev", "place": f"indexof({names}, datum.system)"}
    rows = (
        alt.Chart()
        .transform_calculate(**places)
        .encode(
            y=alt.Y("label_set:N", sort=list(LABEL_SETS), title=None, axis=names_axis()),
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


PLOTS = {
    "classification": _labelled(
        "classification", "micro-F1 by label set, with 95 % intervals. The prior is the floor."
    ),
    "clustering": _labelled("clustering", "AMI by label set, with 95 % intervals. Random vectors are the floor."),
    "fusion": Plot(
        section="Fusion with BM25",
        columns={
            "panel": "text", "method": "text", "setting": "number", "split": "text", "value": "number", "mark": "text",
        },
        rows=_fusion_rows,
        draw=_fusion,
        caption=_fusion_caption,
        file=layout.fusion,
    ),
    "headline": Plot(
        section="Retrieval",
        columns={"panel": "text", "system": "text", **SCORED},
        rows=per_landscape(_retrieved("all"), "test queries"),
        draw=_headline,
        caption=lambda _: (
            "Mean nDCG@10 of each system over the test queries, all relevant families, with 95 % intervals."
        ),
    ),
    "inout": Plot(
        section="In-domain against out-of-domain",
        columns={"panel": "text", "system": "text", "scope": "text", **SCORED},
        rows=per_landscape(_retrieved("in-paired", "out-paired"), "queries with both"),
        draw=_inout,
        caption=lambda _: (
            "nDCG@10 for IN (filled) and OUT (hollow) relevant families of the same queries, with 95 % intervals."
        ),
        finding=_inout_finding,
    ),
    "relevant": binned("relevant", "relevant families of a query", "the number of relevant families of a query"),
    "training": Plot(
        section="Training",
        columns={"split": "text", "optimiser_step": "number", "loss": "number"},
        rows=lambda cell: records(cell.curve.rename(columns={"step": "optimiser_step"})),
        draw=_training,
        caption=lambda cell: (
            f"Contrastive loss by optimiser step: of each batch of {cell.params.finetune.batch} training pairs, and "
            f"on the {int((cell.pairs['split'] == 'dev').sum())} dev pairs"
            f"{', the mean over adapters' * cell.recipe.merge}."
        ),
        file=layout.CURVE,
    ),
    "words": binned("words", "words of the query's text", "the number of words of the query's text"),
    "years": binned(
        "years",
        "years between query and relevant families",
        "the years between a query and its relevant families (whole years, the median over these families; dates are a "
        "family's publication and a query's priority, or its publication where that is unknown)",
    ),
}  # fmt: skip
