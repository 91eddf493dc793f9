"""Change of fine-tuned cells against zero-shot, at home and abroad, with intervals over queries and seeds."""

from __future__ import annotations

import zlib
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from patent_embeddings.evaluation import statistics
from patent_embeddings.grid.intervals import ALPHA, FEWEST
from studies.robust.record import CELL, SHARED, UNIT, against_zero_shot, units

Floats = npt.NDArray[np.float64]
Change = tuple[float, Floats, str]  # value, resamples, `TRAINED_ON on LANDSCAPE`

BASELINE = "r1"  # plain citation pairs, which other recipes and settings are compared with
RESAMPLES = 2000  # of intervals that no test uses
POWER = 0.8


def frontier(rows: pd.DataFrame, margin: float, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Relative change of every recipe and setting against zero-shot: at home, and abroad on average and at worst.

    Means are over pairs of training landscapes and scored landscape; at home the scored one is among the training ones.
    Intervals resample queries (folds pooled) and training seeds with replacement. The interval of the worst change is
    that of its pair alone: it does not account for the choice of the worst among many, which is lower with more pairs.

    Args:
        rows: of the record, one ground.
        margin: the relative loss that counts as no harm.
        resamples: of every interval.
        seed: of the resamples.

    Returns:
        `CELL`; `home`, `mean`, `worst` with `_low` and `_high`, NaN where there is no such pair; `where` it is worst;
        `abroad`, the number of pairs abroad, and `harmless`, how many have an interval above the margin; `provable`,
        the margin at which a recipe that truly changes nothing would be found harmless with a power of 80 % on the pair
        of the widest spread; `seeds`, `folds` and `cells`. For options that zero-shot has too, such as centring,
        `home_plain` and `mean_plain` with their bounds are changes against zero-shot without them.
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
    """Relative change of every recipe and setting minus that of `BASELINE`, on what both have.

    Both have a query under the same training seed and fold, and both at home or both abroad; its score is the mean over
    the adapters scored on it. Intervals are as in `frontier`; both sides use the same draws of queries, and of seeds
    where the recipe is the baseline's own. They are not corrected for multiple comparisons.

    Args:
        rows: of the record, one ground.
        split: `test` or `dev`.
        resamples: of every interval.
        seed: of the resamples.

    Returns:
        `CELL`; `home` and `abroad`, the means of the difference over landscapes, with `_low` and `_high`, NaN where
        there is none; numbers of `seeds`, `folds` and queries `n` that both have.
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

    Each fold has its own adapters, one a seed. Seeds are drawn with replacement, independently for each fold, but with
    the same draws on every landscape. A resample of k seeds has (k - 1) / k of their variance (Davison and Hinkley,
    1997, section 2.3), so their deviations are scaled up; a single seed adds no variance.

    Args:
        rows: of `against_zero_shot`: one recipe and setting, one landscape, one set of training landscapes.
        resamples: of queries, drawn for each landscape and the same for every cell, and of seeds.
        seed: of both.
        trained_on: key of the draws of seeds; by default the column of that name.

    Returns:
        The change as a share of the zero-shot score, and float64 [resamples]; None where there are too few queries
        or the zero-shot score is 0.
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
    """Distance of an effect from its bound, in standard errors, at which a two-sided 5 % test has a power of 80 %."""
    normal = NormalDist()
    return normal.inv_cdf(1 - ALPHA / 2) + normal.inv_cdf(POWER)


def _by_side(group: pd.DataFrame, resamples: int, seed: int) -> tuple[list[Change], list[Change]]:
    """Changes of one recipe and setting at home and abroad, for every pair of training and scored landscapes."""
    sides: dict[bool, list[Change]] = {True: [], False: []}
    for (trained_on, landscape, home), rows in group.groupby(["trained_on", "landscape", "home"]):
        found = change(rows, resamples, seed)
        if found is not None:
            sides[bool(home)].append((*found, f"{trained_on} on {landscape}"))
    return sides[True], sides[False]


def _mean(name: str, changes: list[Change]) -> dict[str, Any]:
    """Mean of several changes with its interval; NaN for none."""
    if not changes:
        return {name: np.nan, f"{name}_low": np.nan, f"{name}_high": np.nan}
    low, high = bounds(np.mean([one[1] for one in changes], axis=0))
    return {name: float(np.mean([one[0] for one in changes])), f"{name}_low": low, f"{name}_high": high}
