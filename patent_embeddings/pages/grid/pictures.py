"""The pictures of the grid, in the order of its page: a picture is a row of `PICTURES` and a function that draws it.

Each function returns a chart, or None where the grid lacks the cells for it.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from patent_embeddings.evaluation.systems import LEADING
from patent_embeddings.grid.gather import timed
from patent_embeddings.grid.scores import losses, scored
from patent_embeddings.grid.units import (
    at_home,
    commonest,
    described,
    same_options,
    trained_here,
    units,
    usual,
    where,
    zero_shot,
)
from patent_embeddings.pages.grid.picture import (
    OUTCOMES,
    RUN,
    Material,
    Picture,
    counted,
    dots,
    heat,
    labels,
    landscapes,
    points,
    seeds,
)

FEWEST = 10  # test queries of a jurisdiction
SCORE = "nDCG@10 (95 % interval)"
_SAME = ("query_view", "document_view", "options")


def _panelled(rows: pd.DataFrame, **more: Any) -> pd.DataFrame:
    """Rows whose landscape is the title of their panel: its name, whether it is simulated, and n."""
    return rows.assign(landscape=counted(rows, landscapes(rows)), **more)


def _recipes(material: Material) -> Any:
    rows = material.tuned()
    rows = rows[trained_here(rows)]
    if rows.empty:
        return None
    rows = described(rows.merge(material.simulated, on="landscape"))
    panels = counted(rows, rows["task"] + ", " + rows["metric"])
    rows = rows.assign(panel=panels, where=landscapes(rows), cell=labels(rows.assign(trained_on="")))
    return dots(rows, "change against zero-shot (95 % interval)", "cell", "where", by="panel", columns=3)


def _transfer(material: Material) -> Any:
    rows = material.tuned()
    rows = described(rows[rows["task"] == "retrieval"])
    if rows["landscape"].nunique() < 2:
        return None
    marks, bounds = zip(rows["value"], rows["significant"], strict=True), zip(rows["low"], rows["high"], strict=True)
    rows = rows.assign(
        cell=labels(rows.assign(recipe="", trained_on="")),
        tuned=rows["recipe"] + " on " + rows["trained_on"],
        text=[f"{value:+.3f}{'*' * bool(sure)}" for value, sure in marks],
        interval=[f"{low:+.3f} to {high:+.3f}" if low == low else "" for low, high in bounds],
    )
    sides = [rows["tuned"].nunique(), rows["landscape"].nunique()]
    if any(ours[["tuned", "landscape"]].nunique().tolist() != sides for _, ours in rows.groupby("cell")):
        # All panels have the same rows and columns, and here some would be empty: draw one panel.
        rows = rows.assign(tuned=rows["tuned"] + ", " + rows["cell"], cell="every cell")
    rows = rows.assign(cell=counted(rows, rows["cell"])).merge(material.simulated, on="landscape", how="left")
    rows = rows.assign(landscape=landscapes(rows))
    titles = {"landscape": "evaluated on", "tuned": "recipe and landscape of training"}
    return heat(rows, titles, "change of nDCG@10", "cell", 2)


def _inout(material: Material) -> Any:
    rows = losses(material.grid.outcomes)
    if rows.empty:
        return None
    rows = described(rows.merge(material.simulated, on="landscape"))
    # With few queries an interval may reach far below -1 (twice as good OUT as IN), which would squeeze all others.
    rows = _panelled(rows, cell=labels(rows), **rows[["value", "low"]].clip(lower=-1))
    return dots(rows, "loss from IN to OUT (95 % interval)", "cell", "system")


def _views(material: Material) -> Any:
    rows = zero_shot(units(material.grid.outcomes, "retrieval"))
    rows = where(rows, lambda one: one.query_view == one.document_view and one.dimensions == 0)
    rows = described(same_options(rows))
    if rows["query_view"].nunique() < 2:
        return None
    found = scored(rows, ["model", "query_view", "landscape", "simulated"])
    order = list(found.groupby("query_view")["value"].mean().sort_values(ascending=False).index)
    return dots(_panelled(found), SCORE, "query_view", "model", zero=False, order=order)


def _scaling(material: Material) -> Any:
    rows = described(usual(zero_shot(units(material.grid.outcomes, "retrieval"))))
    if rows["model"].nunique() < 2:
        return None
    found = scored(rows, ["model", "landscape", "simulated"])
    family, parameters = zip(*(material.sizes[name] for name in found["model"]), strict=True)
    return points(
        _panelled(found, family=family, parameters=parameters),
        alt.X("parameters:Q", title="parameters, millions", scale=alt.Scale(type="log")),
        alt.Y("value:Q", title=SCORE, scale=alt.Scale(zero=False)),
        "family",
        "family of models",
        ["model:N", "parameters:Q", alt.Tooltip("value:Q", format=".4f"), "n:Q"],
        joined=True,
        named="model",
    )


def _dimensions(material: Material) -> Any:
    rows = zero_shot(units(material.grid.outcomes, "retrieval"))
    cut = where(rows, lambda one: one.dimensions > 0)
    if cut.empty or len({one.dimensions for one in rows["config"]}) < 2:
        return None
    chosen = commonest(cut, *_SAME)
    rows = described(where(rows, lambda one: one.only(*_SAME) == chosen))
    found = scored(rows, ["model", "landscape", "simulated", "dimensions"])
    full = found[(found["dimensions"] == 0) & (found["value"] > 0)].set_index(["model", "landscape"])["value"]
    kept = found[found["dimensions"] > 0].join(full.rename("full"), on=["model", "landscape"], how="inner")
    if kept.empty:
        return None
    kept = _panelled(kept, share=kept["value"] / kept["full"]).drop(columns="full")
    sizes = alt.Axis(values=sorted(kept["dimensions"].unique().tolist()))
    return points(
        kept,
        alt.X("dimensions:Q", title="dimensions kept", scale=alt.Scale(type="log", base=2, padding=12), axis=sizes),
        alt.Y("share:Q", title="share of nDCG@10 kept", scale=alt.Scale(zero=False), axis=alt.Axis(format="%")),
        "model",
        "model",
        ["model:N", "dimensions:Q", alt.Tooltip("share:Q", format=".1%"), "n:Q"],
        joined=True,
        intervals=False,
    )


def _jurisdictions(material: Material) -> Any:
    rows = usual(at_home(units(material.grid.outcomes, "retrieval")))
    rows = rows.merge(material.grid.jurisdictions, on=["landscape", "query_id"])
    rows = rows[rows["jurisdiction"] != ""]
    keys = ["landscape", "simulated", "jurisdiction", "config"]
    rows = rows[rows.groupby(keys, observed=True)["query_id"].transform("size") >= FEWEST]
    several = rows.groupby("landscape")["jurisdiction"].nunique()
    rows = rows[rows["landscape"].isin(several[several > 1].index)]
    if rows.empty:
        return None
    found = described(scored(rows, keys))
    # A recipe has one colour in every panel, whichever landscape it is at home on.
    elsewhere = found["trained_on"].where(found["trained_on"] != found["landscape"].astype(str), "")
    found = _panelled(found, cell=labels(found.assign(trained_on=elsewhere)))
    return dots(found, SCORE, "jurisdiction", "cell", zero=False)


def _matched(material: Material) -> Any:
    outcomes = material.grid.outcomes
    tuned = outcomes[trained_here(outcomes)]
    if tuned["seed"].nunique() < 2:
        return None
    parts = []
    for seed, ours in tuned.groupby("seed"):
        for task, (_, metric) in LEADING.items():
            rows = usual(units(ours, task))
            if len(rows):
                groups = rows.groupby(["config", "landscape", "simulated"])[["numerator", "denominator"]]
                sums = groups.sum().assign(n=groups.size()).reset_index()
                value = sums["numerator"] / sums["denominator"]
                parts.append(sums.assign(value=value, seed=int(str(seed)), panel=f"{task}, {metric}"))
    found = described(pd.concat(parts, ignore_index=True))
    found = found.assign(panel=counted(found, found["panel"]))
    found = found.assign(cell=labels(found.assign(trained_on="")), where=landscapes(found))
    return seeds(found, "score (a point for each seed)", "panel", 3)


def _cost(material: Material) -> Any:
    outcomes, costs = material.grid.outcomes, timed(material.grid.costs)
    seconds = costs[costs["stage"].isin(["finetune", "embed"])].groupby("cell")["seconds"].sum()
    names = outcomes[["cell", "config"]].drop_duplicates().merge(seconds.reset_index(), on="cell")
    mean = names.groupby("config")["seconds"].mean().reset_index()
    found = scored(units(outcomes, "retrieval"), ["config", "landscape", "simulated"]).merge(mean, on="config")
    if found.empty:
        return None
    found = described(found)
    return points(
        _panelled(found, cell=labels(found), family=found["recipe"]),
        alt.X("seconds:Q", title="seconds of training and embedding (all landscapes)", scale=alt.Scale(zero=True)),
        alt.Y("value:Q", title=SCORE, scale=alt.Scale(zero=False)),
        "family",
        "recipe",
        ["cell:N", alt.Tooltip("value:Q", format=".4f"), alt.Tooltip("seconds:Q", format=".0f"), "n:Q"],
    )


PICTURES = {
    "recipes": Picture(
        "Recipe by task",
        "Change of each recipe against zero-shot on the landscape that it was trained on, with 95 % intervals; n "
        "queries, families or folds. Filled: significant after Holm's correction.",
        f"{RUN} --preset sample",
        _recipes,
    ),
    "transfer": Picture(
        "Transfer",
        "Change of nDCG@10 against zero-shot, by recipe and landscape of training (rows) and landscape of evaluation "
        "(columns), with 95 % intervals; n test queries. * significant after Holm's correction.",
        f"{RUN} --preset sample",
        _transfer,
    ),
    "inout": Picture(
        "In-domain against out-of-domain",
        "Relative loss of nDCG@10 from IN to OUT, (IN - OUT) / IN, over the n test queries that have relevant families "
        "of both kinds, with and without fusion, with 95 % intervals. Values below -1 are drawn at -1.",
        f"{RUN} -S recipe=zero-shot",
        _inout,
    ),
    "views": Picture(
        "Views",
        "nDCG@10 of the dense run of zero-shot models by view, with 95 % intervals; n test queries.",
        f"{RUN} --preset views",
        _views,
    ),
    "scaling": Picture(
        "Model size",
        "nDCG@10 of the dense run of zero-shot models by number of parameters (log axis), with 95 % intervals; n test "
        "queries. Lines join the models of a family.",
        f"{RUN} --preset scaling",
        _scaling,
    ),
    "dimensions": Picture(
        "Dimensions",
        "Share of nDCG@10 that a zero-shot model keeps when its vectors are cut to the first dimensions and "
        "renormalised; n test queries.",
        f"{RUN} -S recipe=zero-shot -S search.dimensions=null,256,128,64",
        _dimensions,
    ),
    "jurisdictions": Picture(
        "Jurisdictions",
        "nDCG@10 of the dense run by jurisdiction of the query, with 95 % intervals; n test queries of a jurisdiction, "
        f"at least {FEWEST}.",
        "a landscape whose families come from several jurisdictions",
        _jurisdictions,
    ),
    "matched": Picture(
        "Training seeds",
        "Score of each training seed on the landscape that the recipe was trained on; every recipe has the same number "
        "of pairs and steps. n queries, families or folds.",
        f"{RUN} --preset sample -S finetune.seed=0,1,2",
        _matched,
    ),
    "cost": Picture(
        "Score by cost",
        "nDCG@10 of the dense run by the seconds of training and embedding, each cell on the machine that computed it, "
        "with 95 % intervals; n test queries. Cells that took results from the scratch are left out.",
        f"{RUN} --preset sample",
        _cost,
        f"data/costs and {OUTCOMES}",
        timed=True,
    ),
}


def pictures(material: Material) -> dict[str, Picture]:
    """Every picture of a grid by name."""
    return {name: picture.of(material) for name, picture in PICTURES.items()}
