"""Beyond the study: change at home against change abroad, and retrieval out of domain under every option.

Everything is taken on one ground at a time: simulated landscapes, those that the leads came from, and the others.
"""

from __future__ import annotations

import zlib
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from patent_embeddings.evaluation import statistics
from patent_embeddings.grid import comparisons
from patent_embeddings.grid.comparisons import UNIT

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from patent_embeddings.grid.entries import Protocol

    Floats = npt.NDArray[np.float64]
    Change = tuple[float, Floats, str]  # its value, its resamples, where

GROUNDS = ("confirmation", "exploratory", "simulated")
SYSTEMS = ("bm25", "dense", "rrf", "interpolation", "reranked")
LEGS = ("bm25", "dense")
PLACE = ["model", "query_view", "document_view", "dimensions"]  # what options are compared within
BASELINE = "r1"  # plain citation pairs: what other recipes and settings are compared with
RESAMPLES = 2000  # of intervals that nothing is tested by
POWER = 0.8
COSTS = ("finetune", "embed", "search")


def grounds(outcomes: pd.DataFrame, protocol: Protocol) -> dict[str, pd.DataFrame]:
    """Outcomes of each ground that has any, in the order of `GROUNDS`; see `settled` for their variants.

    A cell that was trained on another ground is on none.
    """

    outcomes = settled(outcomes, protocol)
    seen = np.where(outcomes["landscape"].isin(protocol.exploratory), "exploratory", "confirmation")
    which = np.where(outcomes["simulated"].to_numpy(dtype=bool), "simulated", seen)
    parts = {ground: comparisons.one_ground(outcomes[which == ground]) for ground in GROUNDS}
    return {ground: rows for ground, rows in parts.items() if len(rows)}


def settled(outcomes: pd.DataFrame, protocol: Protocol) -> pd.DataFrame:
    """Outcomes whose variants do not name what all cells share: a grid may set it for all of them.

    What a hypothesis of the protocol varies stays named.
    """
    options = [option for hypothesis in protocol.hypotheses.values() for option in hypothesis.options]
    varied = {f"{key}={value}" for option in options for key, value in option.settings.items()}
    tunings = outcomes["trained_on"] != ""
    variants = {tuned: set(rows["variant"].unique()) for tuned, rows in outcomes.groupby(tunings)}
    shared = {tuned: set.intersection(*(set(name.split()) for name in names)) for tuned, names in variants.items()}
    everywhere = set.intersection(*shared.values()) - varied
    training = {word for word in shared.get(True, ()) if word.startswith("finetune.")} - varied

    def without(variant: str, words: set[str]) -> str:
        return " ".join(word for word in variant.split() if word not in words)

    kept = outcomes["variant"].copy()
    for tuned, found in variants.items():
        names = {name: without(name, everywhere | training if tuned else everywhere) for name in found}
        kept = kept.where(tunings != tuned, outcomes["variant"].map(names))
    return outcomes.assign(variant=kept)


def against_zero_shot(rows: pd.DataFrame, by: Iterable[str] = (), plain: bool = False) -> pd.DataFrame:
    """Rows of tuned cells beside those of their zero-shot model under the same settings, or `plain`, without options.

    Args:
        rows: of `contrasts.units`.
        by: further columns that only tuned rows have.
        plain: the zero-shot model as published, at the same task; of cells whose settings add to that.

    Returns:
        `PLACE`, `UNIT`, recipe, trained_on, variant and `by` of the tuned cell; `reference`, the variant of the
        zero-shot one; `tuned` and `zero`, their outcomes.
    """
    reference = rows["variant"].map(comparisons.untrained)
    tuned = rows.assign(reference=reference, tuned=rows["numerator"])[rows["trained_on"] != ""]
    if plain:
        task = tuned["reference"].map(_task)
        tuned = tuned.assign(reference=task)[tuned["reference"] != task]
    on = [*PLACE, *UNIT, "reference"]
    zero = (
        rows[rows["recipe"] == "zero-shot"].assign(reference=reference).groupby(on, observed=True)["numerator"].mean()
    )
    return tuned[[*on, "recipe", "trained_on", "variant", "tuned", *by]].merge(zero.rename("zero").reset_index(), on=on)


def _task(variant: str) -> str:
    """What of a variant is the task, such as another pool: no option that a model could do without."""
    return " ".join(word for word in variant.split() if word.startswith("tasks."))


def of_dense(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Outcomes without variants that the dense run does not read: options of BM25 would give the same rows again."""
    read = [name for name in outcomes["variant"].unique() if comparisons.read_by("dense", name) == name]
    return outcomes[outcomes["variant"].isin(read)]


def frontier(outcomes: pd.DataFrame, margin: float, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Change at home, and abroad in the mean and at worst, of every recipe and setting, shares of the zero-shot score.

    Means are over pairs of what the recipe was trained on with a landscape: at home those where it is one of these.
    Intervals resample queries, folds pooled, and training seeds, both with replacement; that of the worst change is
    the interval of the pair where the change is worst, so that it does not say how bad the worst of many would be by
    chance: the more pairs, the worse.

    Args:
        outcomes: of one ground, as `contrasts.units` takes them.
        margin: the relative loss that does not matter.
        resamples: of every interval.
        seed: of them.

    Returns:
        `PLACE`, `recipe`, `variant`, `home`, `home_low`, `home_high`; abroad, NaN where a cell is scored at home only,
        `mean`, `mean_low`, `mean_high`, `worst`, `worst_low`, `worst_high` and `where` it is worst; `harmless` of
        `abroad` whose interval is above the margin; `provable`, the margin at which a recipe that truly changes nothing
        would have been found harmless with a power of 80 % where the spread is widest; `homes`, distinct landscapes;
        `seeds`, `folds`, and `cells`, as a seed need not have every fold. Of settings that the zero-shot model has too,
        such as centring, `home_plain` and `mean_plain` with their bounds are against the plain one; NaN for others.
    """

    rows = by_seed(of_dense(outcomes))
    pairs, plain = (against_zero_shot(rows, by=["seed"], plain=without) for without in (False, True))
    both = [*PLACE, "recipe", "variant"]
    bare = {key: _changes(group, resamples, seed) for key, group in plain.groupby(both, observed=True)}
    out = []
    for key, group in pairs.groupby(both, observed=True):
        home, abroad = _changes(group, resamples, seed)
        if not home:
            continue
        worst: tuple[Any, ...] = (np.nan, np.nan, np.nan, "")
        provable = max((_sensitivity() * float(drawn.std()) for _, drawn, _ in abroad), default=np.nan)
        if abroad:
            lowest = min(abroad, key=lambda one: one[0])
            worst = (lowest[0], *bounds(lowest[1]), lowest[2])
        harmless = sum(bounds(drawn)[0] > -margin for _, drawn, _ in abroad)
        cells = len(group[["trained_on", "seed", "fold"]].drop_duplicates())
        home_plain, abroad_plain = bare.get(key, ([], []))
        out.append((*key, *_mean(home), *_mean(abroad), *worst, harmless, len(abroad), provable, group.loc[comparisons.trained_here(group), "landscape"].nunique(), group["seed"].nunique(), group["fold"].nunique(), cells,
                    *_mean(home_plain), *_mean(abroad_plain)))  # fmt: skip
    return pd.DataFrame(out, columns=[*both, "home", "home_low", "home_high", "mean", "mean_low", "mean_high",
                                      "worst", "worst_low", "worst_high", "where", "harmless", "abroad", "provable", "homes", "seeds", "folds", "cells",
                                      *(f"{name}_plain{end}" for name in ("home", "mean") for end in ("", "_low", "_high"))])  # fmt: skip


def _changes(group: pd.DataFrame, resamples: int, seed: int) -> tuple[list[Change], list[Change]]:
    """Changes at home and abroad of one recipe and setting, for every pair of what it was trained on with a landscape."""
    home: list[Change] = []
    abroad: list[Change] = []
    for (trained_on, landscape), rows in group.groupby(["trained_on", "landscape"], observed=True):
        found = change(rows, resamples, seed)
        if found is not None:
            at_home = str(landscape) in str(trained_on).split("+")
            (home if at_home else abroad).append((*found, f"{trained_on} on {landscape}"))
    return home, abroad


def against_baseline(outcomes: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Change of every recipe and setting less that of `BASELINE` on what both have, shares of the zero-shot score.

    What both have are queries under the same training seeds and folds, at home or abroad for both; a query's score is
    the mean over the adapters that are scored on it there. Intervals are as those of `frontier`, both sides on the
    same draws of queries, and of seeds where the recipe is the baseline's own. None is corrected.

    Args:
        outcomes: of one ground, as `contrasts.units` takes them.
        resamples: of every interval.
        seed: of them.

    Returns:
        `PLACE`, `recipe`, `variant`; for `home` and `abroad` the mean over landscapes of the difference on test queries,
        with `_low` and `_high`, NaN where there is none; `landscapes`, `seeds`, `folds` and test queries `n` that both
        have; the differences on dev queries of the first fold and their number, `home_dev` and so on, NaN where there
        are none. Of one fold: the dev queries of the others are among its test queries.
    """
    key = [*PLACE, "recipe", "variant"]
    dev = _against_baseline(outcomes[outcomes["fold"] == outcomes["fold"].min()], "dev", resamples, seed)
    differences = dev.drop(columns=["landscapes", "seeds", "folds"])
    return _against_baseline(outcomes, "test", resamples, seed).merge(differences, "left", key, suffixes=("", "_dev"))


def _against_baseline(outcomes: pd.DataFrame, split: str, resamples: int, seed: int) -> pd.DataFrame:

    pairs = against_zero_shot(by_seed(of_dense(outcomes), split), by=["seed"])
    pairs = pairs.assign(side=np.where(comparisons.trained_here(pairs), "home", "abroad"))
    same = [*PLACE, "reference", "side", *UNIT, "seed"]
    scored = pairs.groupby([*same, "recipe", "variant"], observed=True)[["tuned", "zero"]].mean().reset_index()
    plain = scored[(scored["recipe"] == BASELINE) & (scored["variant"] == scored["reference"])]
    both = scored.merge(plain[[*same, "tuned"]].rename(columns={"tuned": "plain"}), on=same)
    both = both[(both["recipe"] != BASELINE) | (both["variant"] != both["reference"])]
    out = []
    for key, group in both.groupby([*PLACE, "recipe", "variant"], observed=True):
        found: dict[str, list[Change]] = {"home": [], "abroad": []}
        for (side, landscape), rows in group.groupby(["side", "landscape"], observed=True):
            ours = change(rows.assign(trained_on=str(key[-2])), resamples, seed)
            theirs = change(rows.assign(trained_on=BASELINE, tuned=rows["plain"]), resamples, seed)
            if ours is not None and theirs is not None:
                found[str(side)].append((ours[0] - theirs[0], ours[1] - theirs[1], str(landscape)))
        sides = [_mean(changes) for changes in found.values()]
        places = {landscape for changes in found.values() for *_, landscape in changes}
        if places:
            out.append((*key, *sides[0], *sides[1], len(places), group["seed"].nunique(), group["fold"].nunique(), len(group[UNIT].drop_duplicates())))  # fmt: skip
    return pd.DataFrame(out, columns=[*PLACE, "recipe", "variant", "home", "home_low", "home_high", "abroad", "abroad_low", "abroad_high", "landscapes", "seeds", "folds", "n"])  # fmt: skip


def _mean(changes: list[Change]) -> tuple[float, float, float]:
    """Mean of the changes of several landscapes, with its interval; NaN of none."""

    if not changes:
        return np.nan, np.nan, np.nan
    drawn = np.mean([one[1] for one in changes], axis=0)
    return float(np.mean([one[0] for one in changes])), *bounds(drawn)


def by_seed(outcomes: pd.DataFrame, split: str = "test") -> pd.DataFrame:
    """Retrieval rows of `contrasts.units` for each training seed apart, with its `seed`."""

    seeds = outcomes.groupby("seed")
    parts = [comparisons.units(rows, "retrieval", split=split).assign(seed=number) for number, rows in seeds]
    return pd.concat(parts, ignore_index=True)


def change(rows: pd.DataFrame, resamples: int, seed: int) -> tuple[float, Floats] | None:
    """Relative change of one recipe's adapters on one landscape, seeds averaged query by query, and its resamples.

    A fold has adapters of its own, one a seed. Its seeds are drawn with replacement: apart from those of other folds,
    as if one seed had nothing in common on two of them, but alike on every landscape that they are scored on. Of k
    seeds a resample has (k - 1) / k of their variance (Davison and Hinkley, 1997, section 2.3), for which their
    deviations are made larger; one seed adds none.

    Args:
        rows: of `against_zero_shot` by seed, one recipe and setting of one `PLACE`, one home, one landscape.
        resamples: of queries, each landscape by draws of its own that are the same for every cell, and of seeds.
        seed: of both.

    Returns:
        The change as a share of the zero-shot score, and float64 [resamples]; None where there are too few queries,
        or nothing was found that could be lost.
    """

    wide = rows.pivot_table(index=["fold", "query_id"], columns="seed", values="tuned")
    zero = rows.groupby(["fold", "query_id"])["zero"].mean().loc[wide.index].to_numpy(dtype=float)
    if len(wide) < comparisons.FEWEST or not zero.sum():
        return None
    folds, scores = wide.index.get_level_values("fold").to_numpy(), wide.to_numpy(dtype=float)
    adapters, weights = [], []  # of a fold and a seed: float64 [queries], 0 on other folds; [resamples]
    for fold in np.unique(folds):
        here = (folds == fold)[:, None]
        held = np.where(here, scores, 0.0)[:, np.isfinite(scores[here[:, 0]]).all(axis=0)]
        seeds = held.shape[1]
        adapters.append(held)
        generator = np.random.default_rng([seed, _number(f"{rows['trained_on'].iloc[0]} {fold}")])
        drawn = generator.multinomial(seeds, np.full(seeds, 1 / seeds), resamples) / seeds
        weights.append(1 / seeds + (drawn - 1 / seeds) * np.sqrt(seeds / max(seeds - 1, 1)))
    tuned, weight = np.hstack(adapters), np.hstack(weights)
    sums = np.concatenate([units @ np.column_stack([tuned, zero]) for units in statistics.draws(len(zero), resamples, seed + _number(str(rows["landscape"].iloc[0])))])  # fmt: skip
    base = sums[:, -1]
    changed = np.divide((weight * sums[:, :-1]).sum(axis=1), base, out=np.ones(resamples), where=base > 0) - 1
    return float(np.nanmean(scores, axis=1).mean() / zero.mean() - 1), changed


def _number(name: str) -> int:
    """A number of its own for what a name says, the same in every process."""
    return zlib.crc32(name.encode())


def bounds(drawn: Floats) -> tuple[float, float]:
    """95 % interval of resamples."""

    low, high = statistics.percentiles(drawn)
    return float(low), float(high)


def at_home(outcomes: pd.DataFrame, system: str, scope: str) -> pd.DataFrame:
    """Outcomes of zero-shot cells and of tuned ones at home: `PLACE`, `UNIT`, recipe, variant, system, `value`."""
    rows = comparisons.at_home(comparisons.units(outcomes, "retrieval", system, scope))
    keys = [*PLACE, "recipe", "variant", "system", *UNIT]
    return rows.groupby(keys, observed=True)["numerator"].mean().rename("value").reset_index()


def out_of_domain(outcomes: pd.DataFrame, resamples: int = comparisons.RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """OUT nDCG@10 of every option under every system, on the queries with both scopes, against zero-shot dense.

    Args:
        outcomes: of one ground, as `contrasts.units` takes them.
        resamples: of every interval and test.
        seed: of both.

    Returns:
        `PLACE`, `recipe`, `variant`, `system`; `value`, `low`, `high`; `change` against the zero-shot dense run with
        `change_low`, `change_high`, its `p`, `p_holm` (Holm over the table) and the change that would have been
        `detectable` at 5 % with a power of 80 %; `gap`, `gap_low`, `gap_high`, the relative loss from IN to OUT;
        `times` the best single zero-shot leg on the same queries; `n`. Two rows an oracle, recipe "oracle": for each
        query the best of the zero-shot legs, and the best of all rows that have every query, none of which can pass it;
        they are not tested.
    """

    found = {
        scope: pd.concat([at_home(outcomes, system, scope) for system in SYSTEMS], ignore_index=True)
        for scope in ("out-paired", "in-paired")
    }
    rows = []
    for place, ours in found["out-paired"].groupby(PLACE, observed=True):
        inside = found["in-paired"]
        inside = inside[(inside[PLACE] == list(place)).all(axis=1)]
        out, within = (part.pivot_table(index=UNIT, columns=["recipe", "variant", "system"], values="value") for part in (ours, inside))  # fmt: skip
        base = ("zero-shot", "", "dense")
        held: list[Any] = list(out.columns)
        if base not in held:
            continue
        legs = [leg for leg in (("zero-shot", "", name) for name in LEGS) if leg in held]
        # BM25 reads no vectors: what a recipe does leaves it as it is.
        options = [
            key
            for key in held
            if key[1] == comparisons.read_by(key[2], key[1]) and (key[2] != "bm25" or key[0] == "zero-shot")
        ]
        out, within = out[options], within.reindex(index=out.index, columns=out[options].columns)
        here = []
        for key in options:
            common = out[key].notna() & out[base].notna() & within[key].notna()
            if common.sum() >= comparisons.FEWEST:
                here.append(_row(key, out[common], within[common], base, legs, resamples, seed))
        asked = out[out[base].notna()]
        # Options that have all queries: none of them can pass it, and those that some folds lack do not take queries from it.
        whole = [key for key in options if asked[key].notna().all()]
        for name, keys in (("BM25 or dense, zero-shot", legs), ("any option or system", whole)):
            complete = asked[keys].dropna()
            if len(complete) >= comparisons.FEWEST and len(options) > 1:
                here.append(_oracle(name, complete, complete[legs]))
        rows += [{**dict(zip(PLACE, place, strict=True)), **row} for row in here]
    tested = [row for row in rows if row["p"] == row["p"]]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = p
    columns = [*PLACE, "recipe", "variant", "system", "value", "low", "high", "change", "change_low", "change_high", "p", "p_holm",
               "detectable", "gap", "gap_low", "gap_high", "times", "n"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def detectable(differences: Floats) -> float:
    """Smallest mean difference that a two-sided test at 5 % finds with a power of 80 %, by the normal approximation.

    (z(.975) + z(.8)) times the standard error of the paired differences (Cohen, 1988).
    """

    return float(_sensitivity() * differences.std(ddof=1) / np.sqrt(len(differences)))


def _sensitivity() -> float:
    """Standard errors that an effect must be off the bound, for a two-sided test at 5 % to have a power of 80 %."""
    normal = NormalDist()
    return normal.inv_cdf(1 - comparisons.LEVEL / 2) + normal.inv_cdf(POWER)


def _row(
    key: Any, out: pd.DataFrame, within: pd.DataFrame, base: Any, legs: list[Any], resamples: int, seed: int
) -> dict[str, Any]:

    row = {"recipe": key[0], "variant": key[1], "system": key[2], "n": len(out)}
    value, reference = (out[name].to_numpy(dtype=float) for name in (key, base))
    row |= _scores(value, within[key].to_numpy(dtype=float), max(out[leg].mean() for leg in legs), resamples, seed)
    if key == base:
        return row | dict.fromkeys(("change", "change_low", "change_high", "p", "detectable"), np.nan)
    result = comparisons.honest(statistics.compare(value, reference, resamples, seed))
    return row | {"change": result.difference, "change_low": result.low, "change_high": result.high, "p": result.p, "detectable": detectable(value - reference)}  # fmt: skip


def _oracle(name: str, out: pd.DataFrame, legs: pd.DataFrame) -> dict[str, Any]:
    """The best choice for each query by its OUT score; what it would be IN is not said."""

    chosen = out.max(axis=1).to_numpy(dtype=float)
    low, high = statistics.mean_interval(chosen)
    leg = float(legs.mean().max())
    untested = ("change", "change_low", "change_high", "p", "p_holm", "detectable", "gap", "gap_low", "gap_high")
    return dict.fromkeys(untested, np.nan) | {
        "recipe": "oracle", "variant": name, "system": "best of each query", "n": len(out),
        "value": float(chosen.mean()), "low": float(low), "high": float(high), "times": chosen.mean() / leg if leg else np.nan,
    }  # fmt: skip


def _scores(out: Floats, within: Floats, leg: float, resamples: int, seed: int) -> dict[str, float]:

    low, high = statistics.mean_interval(out)
    table = np.column_stack([within, out])
    gap_low, gap_high = comparisons.loss_interval(table, resamples, seed)
    return {
        "value": float(out.mean()), "low": float(low), "high": float(high), "gap": float(comparisons.loss(table.sum(axis=0)[None])[0]),
        "gap_low": gap_low, "gap_high": gap_high, "times": float(out.mean() / leg) if leg else np.nan,
    }  # fmt: skip


def holm(p: list[float]) -> list[float]:
    """Holm's adjustment of the p-values of one family; none of none."""

    return [float(value) for value in statistics.holm(np.array(p))] if p else []


def spent(costs: pd.DataFrame) -> pd.DataFrame:
    """What training, embedding and search took by `PLACE`, recipe and variant.

    Returns:
        `seconds`, their sum in a cell, mean over cells; `peak_mib`, the resident memory of the stage that needed most.
    """

    keys = [*PLACE, "recipe", "variant"]
    of = costs[costs["stage"].isin(COSTS)].groupby([*keys, "cell"], observed=True)
    cells = pd.DataFrame({"seconds": of["seconds"].sum(), "peak_mib": of["peak_mib"].max()})
    return cells.groupby(keys, observed=True).agg({"seconds": "mean", "peak_mib": "max"})
