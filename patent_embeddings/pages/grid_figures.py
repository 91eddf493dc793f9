"""Pictures of the grid: one Vega-Lite spec each, rows included, for the page and for the PNG.

A picture is drawn from the cells that there are. Where there are none, the page says which would fill it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from patent_embeddings.evaluation import statistics
from patent_embeddings.evaluation.scores import records
from patent_embeddings.grid import comparisons
from patent_embeddings.grid.comparisons import CONFIG, HEADLINE
from patent_embeddings.pages import charts
from patent_embeddings.pages.grid_section import labels as named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from patent_embeddings.grid.comparisons import Tested
    from patent_embeddings.grid.gather import Grid

PALETTE = ["#2b6cb0", "#c77700", "#15857a", "#7b4fa3", "#b8336a", "#58a6c9", "#6b7a1f", "#8a8f98"]
SYSTEMS = ("bm25", "dense", "rrf", "interpolation")
FLOOR = "random"  # k-means on random vectors: V-measure, which is not corrected for chance, says little without it
RESAMPLES = 2000  # of the intervals that are drawn and not tested


@dataclass(frozen=True)
class Picture:
    """A picture or, where `spec` is None, what would fill it.

    Attributes:
        title: heading on the page.
        caption: what it shows, in which unit.
        spec: Vega-Lite with its rows.
        command: computes the cells that it needs.
    """

    title: str
    caption: str
    spec: dict[str, Any] | None
    command: str


def pictures(grid: Grid, tested: Sequence[Tested], sizes: Mapping[str, tuple[str, float]]) -> dict[str, Picture]:
    """Every picture by name.

    Args:
        grid: the cells.
        tested: all comparisons of the declared families.
        sizes: model -> its family and parameters (millions).
    """
    run = "python -m stages.grid run"
    made: list[tuple[str, str, str, Callable[[], Any], str]] = [
        ("recipes", "Recipe by task", "Change of each recipe against zero-shot on its own landscape, with 95 % interval. Filled: significant after Holm.",
         lambda: _recipes(grid, tested), f"{run} --preset sample"),
        ("transfer", "Transfer", "Change of retrieval (nDCG@10) against zero-shot: trained on (rows), evaluated on (columns), with 95 % interval; * significant after Holm.",
         lambda: _transfer(tested), f"{run} --preset sample"),
        ("inout", "In-domain against out-of-domain", "Relative loss of nDCG@10 from IN to OUT on the queries that have both, with and without fusion, with 95 % interval.",
         lambda: _inout(grid), f"{run} -S recipe=zero-shot"),
        ("views", "Views", "nDCG@10 of the dense run, model as published, by view, with 95 % interval.",
         lambda: _views(grid), f"{run} --preset views"),
        ("scaling", "Model size", "nDCG@10 of the dense run, models as published, by size on a log axis; lines join a family.",
         lambda: _scaling(grid, sizes), f"{run} --preset scaling"),
        ("dimensions", "Dimensions", "Share of nDCG@10 that is kept when vectors are cut and renormalised.",
         lambda: _dimensions(grid), f"{run} -S recipe=zero-shot -S search.dimensions=null,256,128,64"),
        ("jurisdictions", "Jurisdictions", "nDCG@10 of the dense run by jurisdiction of the query, at least ten test queries, with 95 % interval.",
         lambda: _jurisdictions(grid), "a landscape whose families come from several jurisdictions"),
        ("matched", "Matched data", "Score of each training seed, at home: same number of pairs and steps for every recipe.",
         lambda: _matched(grid), f"{run} --preset sample -S finetune.seed=0,1,2"),
        ("cost", "Cost beside score", "nDCG@10 of the dense run by the seconds that training and embedding took, whoever computed them.",
         lambda: _cost(grid), f"{run} --preset sample"),
    ]  # fmt: skip
    return {name: Picture(title, caption, _spec(draw()), command) for name, title, caption, draw, command in made}


def frontier(points: pd.DataFrame) -> Picture:
    """Change at home against the worst change abroad, a point a recipe and setting; see `beyond.frontier`."""

    caption = "Change of nDCG@10 at home (mean over landscapes of training) against the worst change on another landscape, shares of the zero-shot score, with 95 % intervals over queries and training seeds; each ground has axes of its own. Named are those that no other beats in one without losing in the other, whether or not intervals tell them apart."  # fmt: skip
    command = "python -m stages.grid run --preset robust"
    rows = points[points["abroad"] > 0]
    if rows.empty:
        return Picture("Frontier", caption, None, command)
    rows = pd.concat([_ahead(part).assign(cell=named(part)) for _, part in rows.groupby("ground", sort=False)])
    # One name a spot: with two landscapes r1, r1-all and r1-merged are the same.
    spot = ["ground", "home", "worst"]
    ahead = rows[rows["ahead"]].sort_values(["home", "cell"])
    more = ahead.groupby(spot)["cell"].transform("size") - 1
    label = ahead["cell"].where(more == 0, ahead["cell"] + " and " + more.astype(str) + " more")
    first = ahead.assign(label=label).drop_duplicates(spot)
    rows["label"] = first["label"].reindex(rows.index, fill_value="")
    # Names of neighbours are set above and below by turns.
    turn = first.groupby("ground").cumcount() % 2
    rows["rise"] = turn.map({0: -8, 1: 12}).reindex(rows.index, fill_value=0)
    axis = alt.Axis(format="+%")
    colours = alt.Scale(range=PALETTE)
    intervals = alt.Chart().mark_rule(opacity=0.5).encode(stroke=alt.Stroke("recipe:N", scale=colours, legend=None))
    colour = alt.Color("recipe:N", title="recipe", scale=colours)
    # There are more recipes than colours: seven shapes do not repeat with them.
    shape = alt.Shape("recipe:N", title="recipe", scale=alt.Scale(range=["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right"]))  # fmt: skip
    x, y = alt.X("home:Q", title="change at home", axis=axis), alt.Y("worst:Q", title="worst change abroad", axis=axis)
    tips = ["cell:N", "where:N", *(alt.Tooltip(f"{name}:Q", format="+.1%") for name in ("home", "worst"))]
    chart = alt.layer(
        alt.Chart().mark_rule(strokeDash=[3, 3], opacity=0.5).encode(y=alt.datum(0)),
        intervals.encode(x=alt.X("home_low:Q"), x2="home_high:Q", y=y),
        intervals.encode(x=x, y=alt.Y("worst_low:Q"), y2="worst_high:Q"),
        alt.Chart()
        .mark_point(filled=True, size=70, opacity=1)
        .encode(x=x, y=y, color=colour, shape=shape, tooltip=tips),
        alt.Chart()
        .mark_text(dx=7, dy=alt.expr("datum.rise"), align="left", fontSize=9)
        .encode(x=x, y=y, text="label:N"),
        width=420,
        height=340,
    )
    panels = _faceted(chart, rows, "ground", 2).resolve_scale(x="independent", y="independent")
    return Picture("Frontier", caption, _spec(panels), command)


def _ahead(points: pd.DataFrame) -> pd.DataFrame:
    """Points with whether each is `ahead`: no other is better at home and no worse abroad, or the other way round."""

    values = points[["home", "worst"]].to_numpy(dtype=float)
    no_worse = (values[None] >= values[:, None]).all(axis=2)
    better = (values[None] > values[:, None]).any(axis=2)
    return points.assign(ahead=~np.any(no_worse & better, axis=1))


def scored(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Score with its interval for each group of rows of `contrasts.units`: `by`, `value`, `low`, `high`, `n`."""

    out = []
    for key, part in rows.groupby(by, observed=True, sort=True):
        out.append((*key, comparisons.score(part), *comparisons.score_interval(part), len(part)))
    return pd.DataFrame(out, columns=[*by, "value", "low", "high", "n"])


def clustered(grid: Grid, floor: bool = False) -> pd.DataFrame:
    """V-measure of k-means, or its floor, as `scored` gives it: the mean over folds, its interval from those of the folds.

    A fold's interval is that of reports/scores.csv (jackknife over families, runs); folds share no test family.
    """

    system, metric = HEADLINE["clustering"]
    kept = grid.scores[(grid.scores["task"] == "clustering") & (grid.scores["system"] == (FLOOR if floor else system)) & (grid.scores["metric"] == metric)]  # fmt: skip
    kept = comparisons.headline_labels(kept)
    kept = kept.assign(
        simulated=kept["simulated"].astype(str).str.lower() == "true",
        variance=((kept["ci_high"] - kept["ci_low"]) / 2 / statistics.Z) ** 2,
    )
    out = []
    for key, part in kept.groupby([*CONFIG, "landscape", "simulated"], observed=True, sort=True):
        folds = part.groupby("fold")[["value", "variance", "n"]].mean()
        value, n = float(folds["value"].mean()), int(folds["n"].sum())
        variance = folds["variance"].sum(skipna=False) / len(folds) ** 2
        low, high = map(float, statistics.score_interval(value, variance * n, n))
        out.append((*key, value, low, high, n))
    return pd.DataFrame(out, columns=[*CONFIG, "landscape", "simulated", "value", "low", "high", "n"])


def losses(grid: Grid, systems: Sequence[str] = SYSTEMS) -> pd.DataFrame:
    """Relative loss of nDCG@10 from IN to OUT, paired: `CONFIG`, `landscape`, `system`, `value`, `low`, `high`, `n`."""

    out = []
    for system in systems:
        inside, outside = (
            comparisons.units(grid.outcomes, "retrieval", system, scope) for scope in ("in-paired", "out-paired")
        )
        pairs = comparisons.paired(inside, outside, [])
        for key, part in pairs.groupby([*CONFIG, "landscape"], observed=True):
            table = part[["numerator_first", "numerator_second"]].to_numpy(dtype=float)
            if table[:, 0].sum() == 0:
                continue
            low, high = comparisons.loss_interval(table, RESAMPLES, 0)
            out.append((*key, system, float(comparisons.loss(table.sum(axis=0)[None])[0]), low, high, len(table)))
    return pd.DataFrame(out, columns=[*CONFIG, "landscape", "system", "value", "low", "high", "n"])


def labels(rows: pd.DataFrame) -> pd.Series:
    """Words for each row's cell, without what all rows share; never empty."""

    differing = [key for key in CONFIG if rows[key].nunique() > 1] or ["model"]
    if "recipe" in differing and "trained_on" not in differing:
        differing.append("trained_on")
    words = zip(*(rows[key] for key in differing), strict=True)
    return pd.Series([" ".join(dict.fromkeys(str(word) for word in row if word)) for row in words], index=rows.index)


def landscapes(rows: pd.DataFrame) -> pd.Series:
    """Landscape of each row, simulated ones marked."""
    return rows["landscape"].astype(str).where(~rows["simulated"].astype(bool), rows["landscape"].astype(str) + " (simulated)")  # fmt: skip


def _spec(chart: Any) -> dict[str, Any] | None:

    if chart is None:
        return None
    return {**charts.styled(chart).to_dict(), "background": "transparent"}


def _data(rows: pd.DataFrame) -> Any:

    return alt.Data(values=[{key: _plain(value) for key, value in row.items()} for row in records(rows)])


def _plain(value: Any) -> Any:
    """A value as JSON has it: no interval is null."""
    if not isinstance(value, float):
        return value
    return None if value != value else round(value, 5)


def _faceted(chart: Any, rows: pd.DataFrame, by: str, columns: int) -> Any:

    panels = list(dict.fromkeys(rows[by]))
    return chart.facet(alt.Facet(f"{by}:N", title=None, sort=panels), data=_data(rows), columns=columns)


def _dots(rows: pd.DataFrame, x: str, y: str, colour: str, *, zero: bool = True, order: Any = None, by: str = "landscape", columns: int = 2) -> Any:  # fmt: skip
    """Points with intervals, one row a category, faceted."""

    base = alt.Chart().encode(
        y=alt.Y(f"{y}:N", title=None, sort=order, axis=alt.Axis(grid=True, ticks=False, domain=False, labelLimit=220)),
        yOffset=alt.YOffset(f"{colour}:N", sort=None),
        color=alt.Color(f"{colour}:N", title=None, sort=None, scale=alt.Scale(range=PALETTE), legend=None),
    )
    tips = [f"{y}:N", f"{colour}:N", *(alt.Tooltip(f"{name}:Q", format=".4f") for name in ("value", "low", "high")), "n:Q"]  # fmt: skip
    filled = {"fillOpacity": alt.FillOpacity("significant:O", scale=alt.Scale(domain=[True, False], range=[1, 0]), legend=None)} if "significant" in rows else {}  # fmt: skip
    layers = [
        base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=x, scale=alt.Scale(zero=zero, nice=True)), x2="high:Q"),
        base.mark_point(size=60, strokeWidth=2, opacity=1).encode(
            x="value:Q", fill=alt.Fill(f"{colour}:N", title=None, sort=None, scale=alt.Scale(range=PALETTE)), tooltip=tips, **filled
        ),
    ]  # fmt: skip
    if "significant" in rows:
        layers.insert(0, alt.Chart().mark_rule(strokeDash=[3, 3], opacity=0.5).encode(x=alt.datum(0)))
    step = max(16, 11 * rows[colour].nunique() + 6)
    return _faceted(alt.layer(*layers, width=330, height=alt.Step(step, **{"for": "position"})), rows, by, columns)


def _of(tested: Sequence[Tested], family: str) -> pd.DataFrame:
    """Comparisons of a family as rows, with the configuration of the first cell."""

    found = [
        {**dict(zip(CONFIG, one.first_config, strict=False)), "landscape": one.landscape, "task": one.task, "metric": one.metric,
         "value": one.result.difference, "low": one.result.low, "high": one.result.high, "n": one.result.n, "significant": one.significant}
        for one in tested if one.family == family
    ]  # fmt: skip
    return pd.DataFrame(found)


def _recipes(grid: Grid, tested: Sequence[Tested]) -> Any:
    rows = _of(tested, "tuned")
    if rows.empty:
        return None
    rows = rows[comparisons.trained_here(rows)]
    if rows.empty:
        return None
    simulated = grid.outcomes[["landscape", "simulated"]].drop_duplicates()
    rows = rows.merge(simulated, on="landscape")
    panel = {task: f"{task}, {metric}" for task, (_, metric) in HEADLINE.items()}
    rows = rows.assign(panel=rows["task"].map(panel), where=landscapes(rows), cell=labels(rows.assign(trained_on="")))
    return _dots(rows, "change against zero-shot (95 % interval)", "cell", "where", by="panel", columns=3)


def _transfer(tested: Sequence[Tested]) -> Any:

    rows = _of(tested, "tuned")
    if rows.empty:
        return None
    rows = rows[rows["task"] == "retrieval"]
    if rows["landscape"].nunique() < 2:
        return None
    names = labels(rows.assign(trained_on=""))
    text = [
        f"{value:+.3f}{'*' if significant else ''}"
        for value, significant in zip(rows["value"], rows["significant"], strict=True)
    ]
    rows = rows.assign(cell=names, text=text, interval=[f"{low:+.3f} to {high:+.3f}" if low == low else "" for low, high in zip(rows["low"], rows["high"], strict=True)])  # fmt: skip
    limit = float(rows["value"].abs().max())
    base = alt.Chart().encode(
        x=alt.X("landscape:N", title="evaluated on", axis=alt.Axis(labelAngle=0, domain=False, ticks=False)),
        y=alt.Y("trained_on:N", title="trained on", axis=alt.Axis(domain=False, ticks=False)),
    )
    colour = alt.Color("value:Q", title="change of nDCG@10", scale=alt.Scale(domain=[-limit, 0, limit], range=["#b2482f", "#f2f2f2", "#2b6cb0"]))  # fmt: skip
    ink = alt.condition(f"abs(datum.value) > {0.6 * limit}", alt.value("white"), alt.value("#1c2430"))
    chart = alt.layer(
        base.mark_rect(stroke="white", strokeWidth=2).encode(color=colour),
        base.mark_text(dy=-5, fontSize=12).encode(text="text:N", color=ink),
        base.mark_text(dy=10, fontSize=9).encode(text="interval:N", color=ink),
        width=330,
        height=alt.Step(48),
    )
    return _faceted(chart, rows, "cell", 2)


def _inout(grid: Grid) -> Any:
    rows = losses(grid)
    if rows.empty:
        return None
    rows = rows.merge(grid.outcomes[["landscape", "simulated"]].drop_duplicates(), on="landscape")
    # Where few queries have both scopes, an interval reaches far below: what is more than twice as good OUT is cut off.
    rows = rows.assign(landscape=landscapes(rows), cell=labels(rows), **rows[["value", "low"]].clip(lower=-1))
    return _dots(rows, "relative loss from IN to OUT (95 % interval, cut at -1)", "cell", "system")


def _views(grid: Grid) -> Any:
    rows = _zero_shot(comparisons.units(grid.outcomes, "retrieval"))
    rows = comparisons.one_variant(rows[(rows["query_view"] == rows["document_view"]) & (rows["dimensions"] == 0)])
    if rows["query_view"].nunique() < 2:
        return None
    found = scored(rows, ["model", "query_view", "landscape", "simulated"])
    order = list(found.groupby("query_view")["value"].mean().sort_values(ascending=False).index)
    return _dots(found.assign(landscape=landscapes(found)), "nDCG@10 (95 % interval)", "query_view", "model", zero=False, order=order)  # fmt: skip


def _scaling(grid: Grid, sizes: Mapping[str, tuple[str, float]]) -> Any:

    rows = comparisons.usual(_zero_shot(comparisons.units(grid.outcomes, "retrieval")))
    if rows["model"].nunique() < 2:
        return None
    found = scored(rows, ["model", "landscape", "simulated"])
    found = found.assign(
        landscape=landscapes(found),
        family=[sizes[name][0] for name in found["model"]],
        parameters=[sizes[name][1] for name in found["model"]],
    )
    base = alt.Chart().encode(
        x=alt.X("parameters:Q", title="parameters, millions", scale=alt.Scale(type="log")),
        color=alt.Color("family:N", title="family", scale=alt.Scale(range=PALETTE)),
    )
    y = alt.Y("value:Q", title="nDCG@10 (95 % interval)", scale=alt.Scale(zero=False))
    chart = alt.layer(
        base.mark_line(strokeWidth=1.5).encode(y=y),
        base.mark_rule(strokeWidth=1.5, opacity=0.6).encode(y="low:Q", y2="high:Q"),
        base.mark_point(filled=True, size=60, opacity=1).encode(y=y, tooltip=["model:N", "parameters:Q", alt.Tooltip("value:Q", format=".4f")]),
        base.mark_text(dy=-9, fontSize=9).encode(y=y, text="model:N"),
        width=330, height=240,
    )  # fmt: skip
    return _faceted(chart, found, "landscape", 2)


def _dimensions(grid: Grid) -> Any:

    rows = _zero_shot(comparisons.units(grid.outcomes, "retrieval"))
    if rows["dimensions"].nunique() < 2:
        return None
    axes = ["query_view", "document_view", "variant"]
    rows = rows[(rows[axes] == comparisons.commonest(rows[rows["dimensions"] > 0], axes)).all(axis=1)]
    found = scored(rows, ["model", "landscape", "simulated", "dimensions"])
    full = found[found["dimensions"] == 0].set_index(["model", "landscape"])["value"]
    kept = found[found["dimensions"] > 0]
    whole = pd.Series([full.get((model, place)) for model, place in zip(kept["model"], kept["landscape"], strict=True)], index=kept.index, dtype=float)  # fmt: skip
    kept = kept.assign(share=kept["value"] / whole, landscape=landscapes(kept)).dropna()
    if kept.empty:
        return None
    chart = alt.Chart().mark_line(point=alt.OverlayMarkDef(size=60, filled=True)).encode(
        x=alt.X("dimensions:Q", title="dimensions kept", scale=alt.Scale(type="log", base=2)),
        y=alt.Y("share:Q", title="share of nDCG@10 kept", scale=alt.Scale(zero=False), axis=alt.Axis(format="%")),
        color=alt.Color("model:N", title="model", scale=alt.Scale(range=PALETTE)),
        tooltip=["model:N", "dimensions:Q", alt.Tooltip("share:Q", format=".1%")],
    ).properties(width=330, height=220)  # fmt: skip
    return _faceted(chart, kept, "landscape", 2)


def _jurisdictions(grid: Grid) -> Any:
    rows = comparisons.usual(comparisons.at_home(comparisons.units(grid.outcomes, "retrieval")))
    rows = rows.merge(grid.jurisdictions, on=["landscape", "query_id"])
    rows = rows[rows["jurisdiction"] != ""]
    keys = ["landscape", "simulated", "jurisdiction", *CONFIG]
    size = rows.groupby(keys, observed=True)["query_id"].transform("size")
    rows = rows[size >= 10]
    several = rows.groupby("landscape")["jurisdiction"].nunique()
    rows = rows[rows["landscape"].isin(several[several > 1].index)]
    if rows.empty:
        return None
    found = scored(rows, keys)
    found = found.assign(cell=labels(found), landscape=landscapes(found))
    return _dots(found, "nDCG@10 (95 % interval)", "jurisdiction", "cell", zero=False)


def _matched(grid: Grid) -> Any:

    tuned = grid.outcomes[comparisons.trained_here(grid.outcomes)]
    tuned = tuned[tuned["system"].isin([system for system, _ in HEADLINE.values()])]
    if tuned["seed"].nunique() < 2:
        return None
    parts = []
    for seed, rows in tuned.groupby("seed"):
        for task, (_, metric) in HEADLINE.items():
            units = comparisons.usual(comparisons.units(rows, task))
            if len(units):
                scores = units.groupby([*CONFIG, "landscape", "simulated"])[["numerator", "denominator"]].sum()
                scores = (scores["numerator"] / scores["denominator"]).rename("value").reset_index()
                parts.append(scores.assign(seed=int(str(seed)), panel=f"{task}, {metric}"))
    found = pd.concat(parts, ignore_index=True)
    found = found.assign(cell=labels(found.assign(trained_on="")), where=landscapes(found))
    chart = alt.Chart().mark_point(size=60, filled=True, opacity=0.8).encode(
        y=alt.Y("cell:N", title=None, axis=alt.Axis(grid=True, ticks=False, domain=False)),
        yOffset=alt.YOffset("where:N"),
        x=alt.X("value:Q", title="score, a point a seed", scale=alt.Scale(zero=False)),
        color=alt.Color("where:N", title=None, scale=alt.Scale(range=PALETTE)),
        tooltip=["cell:N", "where:N", "seed:Q", alt.Tooltip("value:Q", format=".4f")],
    ).properties(width=330, height=alt.Step(30, **{"for": "position"}))  # fmt: skip
    return _faceted(chart, found, "panel", 3)


def _cost(grid: Grid) -> Any:

    seconds = grid.costs[grid.costs["stage"].isin(["finetune", "embed"])].groupby("cell")["seconds"].sum()
    if seconds.empty:
        return None
    names = grid.outcomes[["cell", *CONFIG]].drop_duplicates().merge(seconds.reset_index(), on="cell")
    spent = names.groupby(CONFIG)["seconds"].mean().reset_index()
    found = scored(comparisons.units(grid.outcomes, "retrieval"), [*CONFIG, "landscape", "simulated"]).merge(spent, on=CONFIG)  # fmt: skip
    if found.empty:
        return None
    found = found.assign(cell=labels(found), landscape=landscapes(found), family=found["recipe"])
    base = alt.Chart().encode(
        x=alt.X("seconds:Q", title="seconds of training and embedding, all landscapes", scale=alt.Scale(zero=True)),
        y=alt.Y("value:Q", title="nDCG@10 (95 % interval)", scale=alt.Scale(zero=False)),
        color=alt.Color("family:N", title="recipe", scale=alt.Scale(range=PALETTE)),
    )
    tips = ["cell:N", alt.Tooltip("value:Q", format=".4f"), alt.Tooltip("seconds:Q", format=".0f")]
    chart = alt.layer(
        base.mark_rule(opacity=0.5).encode(y="low:Q", y2="high:Q"),
        base.mark_point(filled=True, size=60, opacity=1).encode(tooltip=tips),
        width=330, height=240,
    )  # fmt: skip
    return _faceted(chart, found, "landscape", 2)


def _zero_shot(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["recipe"] == "zero-shot"]
