"""Change of tuned cells against the model as published, at home and abroad, with intervals over queries and seeds."""

from __future__ import annotations

import zlib
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from patent_embeddings.evaluation import statistics
from studies.robust.record import CELL, SHARED, UNIT, against_zero_shot, units

Floats = npt.NDArray[np.float64]
Change = tuple[float, Floats, str]  # its value, its resamples, where

BASELINE = "r1"  # plain citation pairs: what other recipes and settings are compared with
RESAMPLES = 2000  # of intervals that nothing is tested by
LEVEL = 0.05
POWER = 0.8
FEWEST = 6  # queries: with fewer no two-sided exact test can reach 5 %


def frontier(rows: pd.DataFrame, margin: float, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Change at home, and abroad in the mean and at worst, of every recipe and setting, shares of the zero-shot score.

    Means are over pairs of what the recipe was trained on with a landscape: at home those where it is one of these.
    Intervals resample queries, folds pooled, and training seeds, both with replacement; that of the worst change is
    the interval of the pair where the change is worst, so that it does not say how bad the worst of many would be by
    chance: the more pairs, the worse.

    Args:
        rows: of the record, one ground.
        margin: the relative loss that does not matter.
        resamples: of every interval.
        seed: of them.

    Returns:
        `CELL`; `home`, `mean`, `worst` with `_low` and `_high`, NaN where there is no such pair; `where` it is worst;
        `harmless` of `abroad` whose interval is above the margin; `provable`, the margin at which a recipe that truly
        changes nothing would be found harmless with a power of 80 % where the spread is widest; `seeds`, `folds` and
        `cells`. Of options that the model as published has too, such as centring, `home_plain` and `mean_plain` with
        their bounds are against the plain one.
    """
    found = units(rows)
    bare = {key: _by_side(group, resamples, seed) for key, group in against_zero_shot(found, plain=True).groupby(CELL)}
    out = []
    for key, group in against_zero_shot(found).groupby(CELL):
        home, abroad = _by_side(group, resamples, seed)
        if not home:
            continue
        home_plain, abroad_plain = bare.get(key, ([], []))
        worst = min(abroad, key=lambda one: one[0], default=None)
        out.append(
            dict(zip(CELL, key, strict=True))
            | _mean("home", home)
            | _mean("mean", abroad)
            | _mean("worst", [worst] if worst else [])
            | {"where": worst[2] if worst else "", "abroad": len(abroad)}
            | {"harmless": sum(bounds(drawn)[0] > -margin for _, drawn, _ in abroad)}
            | {"provable": max((sensitivity() * float(drawn.std()) for _, drawn, _ in abroad), default=np.nan)}
            | {"seeds": group["seed"].nunique(), "folds": group["fold"].nunique()}
            | {"cells": len(group[["trained_on", "seed", "fold"]].drop_duplicates())}
            | _mean("home_plain", home_plain)
            | _mean("mean_plain", abroad_plain)
        )
    return pd.DataFrame(out)


def against_baseline(
    rows: pd.DataFrame, split: str = "test", resamples: int = RESAMPLES, seed: int = 0
) -> pd.DataFrame:
    """Change of every recipe and setting less that of `BASELINE` on what both have, shares of the zero-shot score.

    What both have are queries under the same training seeds and folds, at home or abroad for both; a query's score is
    the mean over the adapters that are scored on it there. Intervals are as those of `frontier`, both sides on the
    same draws of queries, and of seeds where the recipe is the baseline's own. None is corrected.

    Args:
        rows: of the record, one ground.
        split: `test` or `dev`.
        resamples: of every interval.
        seed: of them.

    Returns:
        `CELL`; for `home` and `abroad` the mean over landscapes of the difference, with `_low` and `_high`, NaN where
        there is none; `seeds`, `folds` and queries `n` that both have.
    """
    pairs = against_zero_shot(units(rows, split=split))
    same = [*SHARED, "home", *UNIT, "seed"]
    scored = pairs.groupby([*same, "recipe", "scale"])[["tuned", "zero"]].mean().reset_index()
    of_baseline = (scored["recipe"] == BASELINE) & (scored["scale"] == 1)
    plain = scored.loc[of_baseline, [*same, "tuned"]].rename(columns={"tuned": "plain"})
    out = []
    for key, group in scored[~of_baseline].merge(plain, on=same).groupby(CELL):
        found: dict[bool, list[Change]] = {True: [], False: []}
        for (side, landscape), here in group.groupby(["home", "landscape"]):
            ours = change(here, resamples, seed, trained_on=str(key[0]))
            theirs = change(here.assign(tuned=here["plain"]), resamples, seed, trained_on=BASELINE)
            if ours is not None and theirs is not None:
                found[bool(side)].append((ours[0] - theirs[0], ours[1] - theirs[1], str(landscape)))
        counts = {
            "seeds": group["seed"].nunique(),
            "folds": group["fold"].nunique(),
            "n": len(group[UNIT].drop_duplicates()),
        }
        out.append(
            dict(zip(CELL, key, strict=True)) | _mean("home", found[True]) | _mean("abroad", found[False]) | counts
        )
    return pd.DataFrame(out)


def change(rows: pd.DataFrame, resamples: int, seed: int, trained_on: str | None = None) -> tuple[float, Floats] | None:
    """Relative change of one recipe's adapters on one landscape, seeds averaged query by query, and its resamples.

    A fold has adapters of its own, one a seed. Its seeds are drawn with replacement: apart from those of other folds,
    as if one seed had nothing in common on two of them, but alike on every landscape that they are scored on. Of k
    seeds a resample has (k - 1) / k of their variance (Davison and Hinkley, 1997, section 2.3), for which their
    deviations are made larger; one seed adds none.

    Args:
        rows: of `against_zero_shot`, one recipe and setting, trained and scored on one landscape (or set of them).
        resamples: of queries, each landscape by draws of its own that are the same for every cell, and of seeds.
        seed: of both.
        trained_on: what the draws of seeds go by; the column of that name where it is None.

    Returns:
        The change as a share of the zero-shot score, and float64 [resamples]; None where there are too few queries,
        or nothing was found that could be lost.
    """
    wide = rows.pivot_table(index=["fold", "query_id"], columns="seed", values="tuned")
    zero = rows.groupby(["fold", "query_id"])["zero"].mean().loc[wide.index].to_numpy(dtype=float)
    if len(wide) < FEWEST or not zero.sum():
        return None
    name = rows["trained_on"].iloc[0] if trained_on is None else trained_on
    folds, scores = wide.index.get_level_values("fold").to_numpy(), wide.to_numpy(dtype=float)
    adapters, weights = [], []  # of a fold and a seed: float64 [queries], 0 on other folds; [resamples]
    for fold in np.unique(folds):
        here = (folds == fold)[:, None]
        held = np.where(here, scores, 0.0)[:, np.isfinite(scores[here[:, 0]]).all(axis=0)]
        seeds = held.shape[1]
        adapters.append(held)
        generator = np.random.default_rng([seed, zlib.crc32(f"{name} {fold}".encode())])
        drawn = generator.multinomial(seeds, np.full(seeds, 1 / seeds), resamples) / seeds
        weights.append(1 / seeds + (drawn - 1 / seeds) * np.sqrt(seeds / max(seeds - 1, 1)))
    table = np.column_stack([*adapters, zero])
    queries = seed + zlib.crc32(str(rows["landscape"].iloc[0]).encode())
    sums = statistics.resampled(table, resamples, queries)
    base = sums[:, -1]
    weighed = (np.hstack(weights) * sums[:, :-1]).sum(axis=1)
    changed = np.divide(weighed, base, out=np.ones(resamples), where=base > 0) - 1
    return float(np.nanmean(scores, axis=1).mean() / zero.mean() - 1), changed


def bounds(drawn: Floats) -> tuple[float, float]:
    """95 % interval of resamples."""
    low, high = statistics.percentiles(drawn)
    return float(low), float(high)


def sensitivity() -> float:
    """Standard errors that an effect must be off the bound, for a two-sided test at 5 % to have a power of 80 %."""
    normal = NormalDist()
    return normal.inv_cdf(1 - LEVEL / 2) + normal.inv_cdf(POWER)


def _by_side(group: pd.DataFrame, resamples: int, seed: int) -> tuple[list[Change], list[Change]]:
    """Changes at home and abroad of one recipe and setting, for every pair of its training with a landscape."""
    sides: dict[bool, list[Change]] = {True: [], False: []}
    for (trained_on, landscape, home), rows in group.groupby(["trained_on", "landscape", "home"]):
        found = change(rows, resamples, seed)
        if found is not None:
            sides[bool(home)].append((*found, f"{trained_on} on {landscape}"))
    return sides[True], sides[False]


def _mean(name: str, changes: list[Change]) -> dict[str, Any]:
    """Mean of the changes of several landscapes, with its interval; NaN of none."""
    if not changes:
        return {name: np.nan, f"{name}_low": np.nan, f"{name}_high": np.nan}
    low, high = bounds(np.mean([one[1] for one in changes], axis=0))
    return {name: float(np.mean([one[0] for one in changes])), f"{name}_low": low, f"{name}_high": high}
