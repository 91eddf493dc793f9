"""Outcomes of many cells, matched unit by unit, and the comparisons that follow from them.

A unit is a test query (retrieval), a test family (classification) or a fold (clustering, whose runs share
their families). Its outcome is a numerator and a denominator, since micro-F1 is a ratio of sums; the
denominator of a mean is 1. Training seeds are averaged before anything is compared, and folds are pooled:
every query is a test query in one fold only.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from patent_embeddings.evaluation import statistics
from patent_embeddings.evaluation.systems import HEADLINE_LABELS, RETRIEVAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from patent_embeddings.evaluation.statistics import Comparison

    Floats = npt.NDArray[np.float64]

# What makes a cell, its seeds and folds aside. `trained_on` is "" for zero-shot and joins several landscapes by "+", `dimensions` 0 for all of them,
# `variant` whatever else differs from params.yaml, "" for nothing.
CONFIG = ["model", "recipe", "trained_on", "query_view", "document_view", "dimensions", "variant"]
UNIT = ["landscape", "fold", "query_id"]
HEADLINE = {"retrieval": ("dense", "nDCG@10"), "classification": ("probe", "micro-F1"), "clustering": ("kmeans", "V-measure")}  # fmt: skip
COUNTS = ("tp", "fp", "fn")  # of a family's labels: their sums give micro-F1
RESAMPLES = 10_000
LEVEL = 0.05
FEWEST = 6  # units: with fewer no two-sided exact test can reach 5 %
POINT = 1e-12  # an interval narrower than that is one of outcomes that are all the same


@dataclass(frozen=True)
class Tested:
    """One comparison with its adjusted p-value: what is compared, where, first minus second."""

    family: str
    landscape: str
    task: str
    first_config: tuple[object, ...]  # values of CONFIG, and of the system
    second_config: tuple[object, ...]
    scope: str
    metric: str
    result: Comparison
    p_holm: float

    @property
    def first(self) -> str:
        """The first cell in words; its system too, where systems are compared."""
        return self._name(self.first_config)

    @property
    def second(self) -> str:
        """The second cell in words, as `first`."""
        return self._name(self.second_config)

    def _name(self, config: tuple[object, ...]) -> str:
        differ = self.first_config[-1] != self.second_config[-1]
        return name(config[:-1]) + (f", {config[-1]}" if differ else "")

    @property
    def significant(self) -> bool:
        """Whether the adjusted p-value is below the level."""
        return self.p_holm < LEVEL


def units(
    outcomes: pd.DataFrame, task: str, system: str | None = None, scope: str = "all", split: str = "test"
) -> pd.DataFrame:
    """Outcomes of a task's headline metric, training seeds averaged.

    Args:
        outcomes: one row for each cell, system, task, scope, metric and query, as `stages.grid` gathers them.
        task: `retrieval`, `classification` or `clustering`.
        system: other than the headline one.
        scope: of retrieval; for labels the first set of `HEADLINE_LABELS` that the landscape has.
        split: `test`, or of retrieval `dev`.

    Returns:
        `CONFIG`, `UNIT`, `simulated`, `scope`, `system`, `numerator`, `denominator` (float64); of the row's cell on
        its landscape `seeds`, 0 where nothing was trained, and `luck`, the variance of its mean over training seeds,
        which one seed does not tell (NaN).
    """
    chosen, metric = HEADLINE[task]
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
    keys = [*CONFIG, *UNIT, "simulated", "scope", "system"]
    if metric == "micro-F1":
        sums = rows.pivot_table(index=[*keys, "seed"], columns="metric", values="value", observed=True).reset_index()
        sums = sums.reindex(columns=[*keys, "seed", *COUNTS])
        sums["numerator"] = 2 * sums["tp"]
        sums["denominator"] = 2 * sums["tp"] + sums["fp"] + sums["fn"]
    else:
        sums = rows.rename(columns={"value": "numerator"}).assign(denominator=1.0)
    averaged = sums.groupby(keys, observed=True, sort=True)[["numerator", "denominator"]].mean().reset_index()
    return averaged.merge(_seeds(sums), on=[*CONFIG, "landscape", "fold"], how="left")


def _seeds(sums: pd.DataFrame) -> pd.DataFrame:
    """`seeds` and `luck` of each cell on each landscape, see `units`."""

    cell = [*CONFIG, "landscape", "fold"]
    apart = sums.groupby([*cell, "seed"], observed=True)[["numerator", "denominator"]].sum().reset_index()
    scores = apart.assign(score=apart["numerator"] / apart["denominator"]).groupby(cell, observed=True)["score"]
    found = pd.DataFrame({"seeds": scores.count(), "luck": scores.var() / scores.count()}).reset_index()
    found.loc[found["recipe"] == "zero-shot", ["seeds", "luck"]] = 0
    return found


def headline_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the first label set of `HEADLINE_LABELS` that their landscape has."""

    place = {name: number for number, name in enumerate(HEADLINE_LABELS)}
    rows = rows[rows["scope"].isin(list(place))]
    first = rows["scope"].map(place).groupby(rows["landscape"]).transform("min")
    return rows[rows["scope"].map(place) == first]


def at_home(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose cell was trained on the landscape that it is scored on, and zero-shot ones."""
    return rows[trained_here(rows) | (rows["trained_on"] == "")]


def trained_here(rows: pd.DataFrame) -> pd.Series[bool]:
    """Whether each row's cell was trained on the landscape that it is scored on, alone or among others."""

    home = pd.Series(False, rows.index)
    for sources in rows["trained_on"].unique():
        home |= (rows["trained_on"] == sources) & rows["landscape"].isin(sources.split("+"))
    return home


def one_ground(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of cells that were trained on no landscape but those that the rows are scored on."""
    scored = set(rows["landscape"].unique())
    trained = rows["trained_on"].unique()
    return rows[rows["trained_on"].isin([one for one in trained if not one or scored.issuperset(one.split("+"))])]


def commonest(rows: pd.DataFrame, axes: Sequence[str]) -> tuple[str, ...]:
    """The values of some of `CONFIG`, `variant` last, that most cells have; of equally many, no variant."""
    counts = Counter(rows[CONFIG].drop_duplicates()[list(axes)].itertuples(index=False, name=None))
    return max(counts, key=lambda key: (counts[key], key[-1] == "", key))


def one_variant(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the variant that most cells have."""
    return rows[rows["variant"] == commonest(rows, ["variant"])[0]] if len(rows) else rows


def usual(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows at full dimensions, under the views and variant that most cells have: other axes must not mix in."""
    full = rows[rows["dimensions"] == 0]
    if full.empty:
        return full
    chosen = commonest(full, ["query_view", "document_view", "variant"])
    kept = full["variant"] == chosen[2]
    # A zero-shot cell knows nothing of how the others were trained.
    kept |= (full["recipe"] == "zero-shot") & (full["variant"] == untrained(chosen[2]))
    return full[kept & (full["query_view"] == chosen[0]) & (full["document_view"] == chosen[1])]


def untrained(variant: str) -> str:
    """A variant without what only training and its adapter use."""
    return " ".join(word for word in variant.split() if not word.startswith(("finetune.", "embed.adapter_scale=")))


def read_by(system: str, variant: str) -> str:
    """A variant without what leaves a system's outcomes as they are; fused and reranked runs read all of it."""

    words = variant.split()
    if system == "bm25":
        words = [word for word in words if word.startswith(("bm25.", "tasks."))]
    elif system == "dense" or system not in RETRIEVAL:
        words = [word for word in words if not word.startswith(("bm25.", "fuse.", "rerank."))]
    return " ".join(words)


def paired(first: pd.DataFrame, second: pd.DataFrame, varied: Sequence[str]) -> pd.DataFrame:
    """Match two sets of rows on their unit and on everything of their cell that is not varied.

    Returns:
        Matching columns, `CONFIG` of the first, and `numerator`, `denominator`, `seeds`, `luck` with suffixes
        `_first`, `_second`.
    """
    on = [*(name for name in CONFIG if name not in varied), *UNIT]
    kept = second[[*on, "numerator", "denominator", "seeds", "luck"]]
    return first.merge(kept, on=on, suffixes=("_first", "_second"))


def pooled(pairs: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0) -> Comparison:
    """Compare over all units of `paired`, a unit's outcomes averaged over the cells that share it."""

    values = pairs.groupby(UNIT, observed=True)[
        ["numerator_first", "numerator_second", "denominator_first", "denominator_second"]
    ].mean()
    table = values.to_numpy(dtype=float)
    (result,) = statistics.compare_ratios(table[:, :2], table[:, 2:], [(0, 1)], resamples, seed)
    return honest(result)


def of_recipes(result: Comparison, pairs: pd.DataFrame) -> Comparison | None:
    """A comparison of `pooled` as one of what was trained, not of the adapters that happened to come out.

    A fold of a landscape has adapters of its own, so that its mean has the luck of its queries and of its training.
    Where every cell has several seeds, their variance is added to that of the units; else the spread of the folds and
    landscapes has both. By Student's t; never surer than of the adapters themselves.

    Args:
        result: of `pairs`.
        pairs: of `paired`.

    Returns:
        None where too little tells how adapters differ: one seed, on fewer than `FEWEST` folds of all landscapes.
    """

    if not (pairs[["seeds_first", "seeds_second"]] > 0).any(axis=None):
        return result
    sides = ("first", "second")
    values = [f"{part}_{side}" for part in ("numerator", "denominator") for side in sides]
    table = pairs.groupby(UNIT, observed=True)[values].mean()
    sums = table.sum()
    scores = {side: sums[f"numerator_{side}"] / sums[f"denominator_{side}"] for side in sides}
    parts = {side: (table[f"numerator_{side}"] - scores[side] * table[f"denominator_{side}"]) / sums[f"denominator_{side}"] for side in sides}  # fmt: skip
    # What each unit adds to the difference, linearised; they sum to 0.
    linear = parts["first"] - parts["second"]
    alone = pairs[["luck_first", "luck_second"]].isna().any(axis=None)
    if alone:
        folds = linear.groupby(level=["landscape", "fold"], observed=True).sum()
        if len(folds) < FEWEST:
            return None
        variance, freedom = _variance(folds), len(folds) - 1.0
    else:
        share = 1 / pairs.groupby(UNIT, observed=True)["luck_first"].transform("size")
        cells = pairs.assign(share=share).groupby([*CONFIG, "landscape", "fold"], observed=True)
        added = [_variance(linear)]
        degrees = [len(linear) - 1.0]
        for side in sides:
            whole = f"denominator_{side}"
            weight = (pairs[whole] * share).groupby(cells.ngroup()).sum() / sums[whole]
            luck, seeds = (cells[f"{name}_{side}"].first().to_numpy() for name in ("luck", "seeds"))
            added += list(weight.to_numpy() ** 2 * luck)
            degrees += list(seeds - 1.0)
        variance = sum(added)
        # Welch and Satterthwaite.
        freedom = variance**2 / sum(one**2 / degree for one, degree in zip(added, degrees, strict=True) if one > 0) if variance else 1.0  # fmt: skip
    error = float(np.sqrt(variance))
    half = float(stats.t.isf(LEVEL / 2, freedom)) * error
    p = 2 * float(stats.t.sf(abs(result.difference) / error, freedom)) if error else 0.0
    return replace(
        result, low=min(result.low, result.difference - half), high=max(result.high, result.difference + half),
        p=max(result.p, p),
    )  # fmt: skip


def _variance(parts: pd.Series[float]) -> float:
    """Variance of a sum whose independent parts are known as deviations, which sum to 0."""
    return float((parts**2).sum() * len(parts) / (len(parts) - 1)) if len(parts) > 1 else math.nan


def reversed_(result: Comparison) -> Comparison:
    """The comparison the other way round."""

    return replace(result, difference=-result.difference, low=-result.high, high=-result.low, effect=-result.effect)


def span(
    value: float, low: float, high: float, n: int, ends: tuple[float, float] = (-1.0, 1.0), unit: float = 1.0
) -> tuple[float, float]:
    """An interval of a mean that says no more than its n units do.

    The bootstrap of a handful of units is far too narrow: none (NaN) below `FEWEST`. That of units that are all the
    same, such as all 0, is a point: there as far as units that none of the n shows could move the mean.

    Args:
        value: the mean.
        low: of the bootstrap.
        high: of the bootstrap.
        n: units.
        ends: of what the mean can be.
        unit: the most that a unit can differ by; scores are 0 to 1.
    """
    if n < FEWEST:
        return math.nan, math.nan
    if high - low < POINT:
        far = unit * unseen(n)
        return max(value - far, ends[0]), min(value + far, ends[1])
    return low, high


def unseen(n: int) -> float:
    """Largest share of units that are otherwise, of which n show none with a chance of 5 %: 1 - .05 ** (1 / n)."""
    return float(1 - LEVEL ** (1 / n))


def honest(result: Comparison) -> Comparison:
    """The comparison with its interval as `span` has it."""

    low, high = span(result.difference, result.low, result.high, result.n)
    return replace(result, low=low, high=high)


def score_interval(rows: pd.DataFrame) -> tuple[float, float]:
    """Interval of `score` as a cell's own scores have it; NaN where there are too few units."""

    low, high = statistics.ratio_interval(rows["numerator"].to_numpy(float), rows["denominator"].to_numpy(float))
    return float(low), float(high)


def loss_interval(table: Floats, resamples: int, seed: int) -> tuple[float, float]:
    """Interval of the relative loss from the first column of outcomes [units, 2] to the second, as `span` has it; none of nothing."""

    if not table[:, 0].any():
        return math.nan, math.nan
    low, high = statistics.bootstrap(table, loss, resamples, seed)
    whole = float(loss(table.sum(axis=0)[None])[0])
    return span(whole, low, high, len(table), (-math.inf, 1.0), 1 / float(table[:, 0].mean()))


def loss(sums: Floats) -> Floats:
    """Relative loss from the first column to the second [resamples, 2]; 0 where there is nothing to lose."""

    return 1 - np.divide(sums[:, 1], sums[:, 0], out=np.ones(len(sums)), where=sums[:, 0] != 0)


def score(rows: pd.DataFrame) -> float:
    """The score of rows of `units`: the sum of numerators over that of denominators."""
    return float(rows["numerator"].sum() / rows["denominator"].sum())


def adjusted(results: Sequence[Comparison]) -> list[float]:
    """Holm's p-values of one family."""

    return [float(value) for value in statistics.holm(np.array([result.p for result in results]))] if results else []


def name(config: Iterable[object]) -> str:
    """A cell in words, from its values of `CONFIG`: model, recipe, where it was trained, views, and what else differs."""
    model, recipe, trained_on, query_view, document_view, dimensions, variant = config
    views = str(query_view) if query_view == document_view else f"{query_view} to {document_view}"
    words = (model, recipe, trained_on, views, f"{dimensions} dimensions" if dimensions else "", variant)
    return " ".join(str(word) for word in words if word)


def undecidable(tested: Sequence[Tested]) -> bool:
    """Whether no difference could be significant among the comparisons of one family, landscape and task.

    The least p-value of n signs is 2 ** (1 - n), and Holm multiplies the least by how many there are.
    """
    return len(tested) * 2.0 ** (1 - max(one.result.n for one in tested)) >= LEVEL


def every_pair(outcomes: pd.DataFrame, family: str, compares: str, task: str, resamples: int = RESAMPLES, seed: int = 0) -> list[Tested]:  # fmt: skip
    """All comparisons of a declared family on one task, Holm within each landscape.

    Args:
        outcomes: as in `units`.
        family: its id.
        compares: `cells` (each pair), `tuned` (each tuned cell with its zero-shot), `systems` (each with dense),
            `candidates` (each pair of cell and system, without intervals).
        task: as in `units`.
        resamples: of each interval and test.
        seed: of both.
    """
    rows = {"systems": _every_system, "candidates": candidates}.get(compares, _distinct)(outcomes, task)
    found = []
    for landscape, ours in rows.groupby("landscape", observed=True):
        columns = ours.assign(column=ours[[*CONFIG, "system"]].apply(tuple, axis=1))
        wide = columns.pivot_table(
            index=["fold", "query_id"], columns="column", values=["numerator", "denominator"], sort=True
        )
        keys = list(wide["numerator"].columns)
        pairs = _pairs(keys, compares)
        # Half a million pairs of candidates: whoever asks for them wants one interval, and all p-values.
        results = _compare(wide["numerator"].to_numpy(), wide["denominator"].to_numpy(), pairs, resamples, seed, compares != "candidates")  # fmt: skip
        kept = [(pair, result) for pair, result in zip(pairs, results, strict=True) if result]
        for ((a, b), result), p in zip(kept, adjusted([result for _, result in kept]), strict=True):
            found.append(Tested(family, str(landscape), task, keys[a], keys[b], str(ours["scope"].iloc[0]), HEADLINE[task][1], result, p))  # fmt: skip
    return found


def _every_system(outcomes: pd.DataFrame, task: str) -> pd.DataFrame:

    systems = RETRIEVAL if task == "retrieval" else (None,)
    return pd.concat([units(outcomes, task, system) for system in systems], ignore_index=True)


def candidates(outcomes: pd.DataFrame, task: str) -> pd.DataFrame:
    """Rows of `units` for every system; BM25, which no model or recipe changes, is a cell of its own."""
    rows = _every_system(outcomes, task)
    lexical = rows["system"] == "bm25"
    alone = rows.assign(
        **{key: rows[key].mask(lexical, value) for key, value in (("model", "bm25"), ("recipe", ""), ("trained_on", ""), ("dimensions", 0))}
    )  # fmt: skip
    return _once(alone)


def _distinct(outcomes: pd.DataFrame, task: str) -> pd.DataFrame:
    return _once(units(outcomes, task))


def _once(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `units`, those of cells that differ only in what the system does not read once: no two of them can differ."""
    variants = {key: read_by(*key) for key in set(zip(rows["system"], rows["variant"], strict=True))}
    named = [variants[key] for key in zip(rows["system"], rows["variant"], strict=True)]
    return rows.assign(variant=named).drop_duplicates([*CONFIG, *UNIT, "system"])


def _pairs(keys: list[tuple[object, ...]], compares: str) -> list[tuple[int, int]]:
    """Columns to compare; a key is `CONFIG` and the system."""

    place = {key: number for number, key in enumerate(keys)}
    if compares in ("cells", "candidates"):
        return list(itertools.combinations(range(len(keys)), 2))
    out = []
    for key in keys:
        # CONFIG begins with model, recipe, trained_on.
        zero_shot = (key[0], "zero-shot", "", *key[3:-2], untrained(str(key[-2])), key[-1])
        other = (*key[:-1], "dense") if compares == "systems" else zero_shot
        if other != key and other in place:
            out.append((place[key], place[other]))
    return out


def _compare(
    numerators: Floats, denominators: Floats, pairs: list[tuple[int, int]], resamples: int, seed: int, intervals: bool
) -> list[Comparison | None]:
    """Comparisons of pairs of columns, None where they share no unit; pairs with the same units share their draws."""

    present = ~np.isnan(numerators)
    groups: dict[bytes, list[int]] = {}
    for number, (a, b) in enumerate(pairs):
        groups.setdefault((present[:, a] & present[:, b]).tobytes(), []).append(number)
    results: list[Comparison | None] = [None] * len(pairs)
    for mask, members in groups.items():
        common = np.frombuffer(mask, dtype=bool)
        if not common.any():
            continue
        used = sorted({column for number in members for column in pairs[number]})
        place = {column: number for number, column in enumerate(used)}
        renamed = [(place[pairs[number][0]], place[pairs[number][1]]) for number in members]
        found = statistics.compare_ratios(
            numerators[common][:, used], denominators[common][:, used], renamed, resamples, seed, intervals
        )
        for number, result in zip(members, found, strict=True):
            results[number] = honest(result)
    return results
