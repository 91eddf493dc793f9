"""Paired comparisons of cells over units (`units`), single ones and declared sets corrected by Holm."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from patent_embeddings.core.arrays import Doubles
from patent_embeddings.evaluation import statistics
from patent_embeddings.evaluation.statistics import Comparison
from patent_embeddings.evaluation.systems import LEADING, RETRIEVAL, Task
from patent_embeddings.grid.cell import Config
from patent_embeddings.grid.entries import Hypotheses
from patent_embeddings.grid.intervals import ALPHA, FEWEST, RESAMPLES, honest
from patent_embeddings.grid.units import UNIT, objects, units

Candidate = tuple[Config, str]  # a cell under a system
_SIDES = [f"{part}_{side}" for part in ("numerator", "denominator") for side in ("first", "second")]  # of `paired`


@dataclass(frozen=True)
class Tested:
    """One comparison, first minus second, with its p-value adjusted for its set."""

    hypotheses: str
    landscape: str
    task: Task
    first: Candidate
    second: Candidate
    scope: str
    metric: str
    result: Comparison
    p_holm: float

    @property
    def words(self) -> tuple[str, str]:
        """Labels of both sides for files, with their systems where these differ."""
        return self._sides(lambda one: one.label)

    @property
    def titles(self) -> tuple[str, str]:
        """Labels of both sides for people."""
        return self._sides(lambda one: one.title)

    def _sides(self, words: Callable[[Config], str]) -> tuple[str, str]:
        differ = self.first[1] != self.second[1]
        first, second = (words(one) + (f", {system}" if differ else "") for one, system in (self.first, self.second))
        return first, second

    @property
    def significant(self) -> bool:
        """Whether the adjusted p-value is below the level."""
        return self.p_holm < ALPHA


def pooled(pairs: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0) -> Comparison:
    """Compare over all units of rows of `paired`; a unit's outcomes are averaged over the cells that share it."""
    table = pairs.groupby(UNIT, observed=True)[_SIDES].mean().to_numpy(dtype=float)
    (result,) = statistics.compare_ratios(table[:, :2], table[:, 2:], [(0, 1)], resamples, seed)
    return honest(result)


def of_recipes(result: Comparison, pairs: pd.DataFrame) -> Comparison | None:
    """Widen a comparison of `pooled` from its adapters to their recipes, by the variance between adapters.

    Each fold of a landscape has its own adapters, so the mean of a fold varies with its queries and with its training.
    Where every cell has several seeds, the variance over seeds is added to that over units. Otherwise the spread over
    folds and landscapes stands for both. The test is Student's t; the result is never more certain than `result`.

    Takes rows of `paired`. Returns None where the variance between adapters is unknown: one seed, on fewer than
    `FEWEST` folds of all landscapes together.
    """
    if not (pairs[["seeds_first", "seeds_second"]] > 0).any(axis=None):
        return result
    table = pairs.groupby(UNIT, observed=True)[_SIDES].mean()
    top, bottom = np.split(table.to_numpy(dtype=float), 2, axis=1)
    whole = bottom.sum(axis=0)
    parts = (top - top.sum(axis=0) / whole * bottom) / whole
    # The linearised contribution of each unit to the difference; these sum to 0.
    linear = pd.Series(parts[:, 0] - parts[:, 1], table.index)
    alone = pairs[["luck_first", "luck_second"]].isna().any(axis=None)
    if alone:
        folds = linear.groupby(level=["landscape", "fold"], observed=True).sum()
        if len(folds) < FEWEST:
            return None
        variance, freedom = _variance(folds), len(folds) - 1.0
    else:
        share = 1 / pairs.groupby(UNIT, observed=True)["luck_first"].transform("size")
        cells = pairs.assign(share=share).groupby(["config", "landscape", "fold"], observed=True)
        added = [_variance(linear)]
        degrees = [len(linear) - 1.0]
        for side, total in zip(("first", "second"), whole, strict=True):
            weight = (pairs[f"denominator_{side}"] * share).groupby(cells.ngroup()).sum() / total
            luck, seeds = (cells[f"{name}_{side}"].first().to_numpy() for name in ("luck", "seeds"))
            added += list(weight.to_numpy() ** 2 * luck)
            degrees += list(seeds - 1.0)
        variance = sum(added)
        # Degrees of freedom by Welch and Satterthwaite.
        spread = sum(one**2 / degree for one, degree in zip(added, degrees, strict=True) if one > 0)
        freedom = variance**2 / spread if variance else 1.0
    error = float(np.sqrt(variance))
    half = float(stats.t.isf(ALPHA / 2, freedom)) * error
    p = 2 * float(stats.t.sf(abs(result.difference) / error, freedom)) if error else 0.0
    low, high = min(result.low, result.difference - half), max(result.high, result.difference + half)
    return replace(result, low=low, high=high, p=max(result.p, p))


def _variance(parts: pd.Series[float]) -> float:
    """Variance of a sum of independent parts, given as deviations that sum to 0."""
    return float((parts**2).sum() * len(parts) / (len(parts) - 1)) if len(parts) > 1 else math.nan


def reversed_(result: Comparison) -> Comparison:
    """The comparison as second minus first."""
    return replace(result, difference=-result.difference, low=-result.high, high=-result.low, effect=-result.effect)


def adjusted(results: Sequence[Comparison]) -> list[float]:
    """Holm-adjusted p-values of one set."""
    return [float(value) for value in statistics.holm(np.array([result.p for result in results]))] if results else []


def undecidable(tested: Sequence[Tested]) -> bool:
    """Whether the units are too few for any comparison of one set, landscape and task to be significant.

    The least p-value of an exact test over n units is 2 ** (1 - n); Holm multiplies it by the number of comparisons.
    """
    return len(tested) * 2.0 ** (1 - max(one.result.n for one in tested)) >= ALPHA


def declared(outcomes: pd.DataFrame, hypotheses: Mapping[str, Hypotheses]) -> list[Tested]:
    """All comparisons that registry/hypotheses.yaml declares (entries by id), of outcomes as in `units`."""
    return [
        one
        for name, declared_ in hypotheses.items()
        for task in declared_.tasks
        for one in every_pair(outcomes, name, declared_.compares, task)
    ]


def every_pair(
    outcomes: pd.DataFrame,
    hypotheses: str,
    compares: str,
    task: Task,
    resamples: int = RESAMPLES,
    seed: int = 0,
    system: str | None = None,
) -> list[Tested]:
    """All comparisons of a declared set on one task, Holm-corrected within each landscape.

    Args:
        outcomes: as in `units`.
        hypotheses: the name of the set.
        compares: `cells` (each pair of cells), `tuned` (each fine-tuned cell with its zero-shot cell), `systems` (each
            system with dense), or `candidates` (each pair of a cell and a system, without intervals).
        task: as in `units`.
        resamples: of every interval and test.
        seed: of the resampling.
        system: of `cells` and `tuned`, where it is not the task's leading one.
    """
    every_system = {"systems": _every_system, "candidates": candidates}.get(compares)
    rows = every_system(outcomes, task) if every_system else _once(units(outcomes, task, system))
    found = []
    for landscape, ours in rows.groupby("landscape", observed=True):
        wide = ours.pivot_table(
            index=["fold", "query_id"], columns=["config", "system"], values=["numerator", "denominator"], sort=True
        )
        keys = list(wide["numerator"].columns)
        pairs = _pairs(keys, compares)
        # There may be half a million pairs of candidates, of which one interval and all p-values are needed.
        intervals = compares != "candidates"
        numerators, denominators = (wide[part].to_numpy() for part in ("numerator", "denominator"))
        results = _compare(numerators, denominators, pairs, resamples, seed, intervals)
        kept = [(pair, result) for pair, result in zip(pairs, results, strict=True) if result]
        scope, metric = str(ours["scope"].iloc[0]), LEADING[task][1]
        for ((a, b), result), p in zip(kept, adjusted([result for _, result in kept]), strict=True):
            found.append(Tested(hypotheses, str(landscape), task, keys[a], keys[b], scope, metric, result, p))
    return found


def _every_system(outcomes: pd.DataFrame, task: Task) -> pd.DataFrame:
    systems = RETRIEVAL if task == "retrieval" else (None,)
    return pd.concat([units(outcomes, task, system) for system in systems], ignore_index=True)


def candidates(outcomes: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Rows of `units` for every system; BM25 is one cell, since no model or recipe changes it."""
    return _once(_every_system(outcomes, task))


def _once(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `units` with one cell for all that differ only in what the system does not read."""
    keys = list(zip(rows["config"], rows["system"], strict=True))
    seen = {(one, system): one.lexical if system == "bm25" else one.read_by(system) for one, system in set(keys)}
    rows = rows.assign(config=objects((seen[key] for key in keys), rows.index))
    # Of adapters of one recipe the mean over most seeds is kept.
    return rows.sort_values("seeds", ascending=False, kind="stable").drop_duplicates(["config", *UNIT, "system"])


def _pairs(keys: Sequence[Candidate], compares: str) -> list[tuple[int, int]]:
    """Pairs of places in `keys` to compare."""
    if compares in ("cells", "candidates"):
        return list(itertools.combinations(range(len(keys)), 2))
    place = {key: number for number, key in enumerate(keys)}
    out: dict[tuple[Candidate, Candidate], tuple[int, int]] = {}
    for config, system in keys:
        other = (config, "dense") if compares == "systems" else (config.base, system)
        if other != (config, system) and other in place:
            # Cells that differ only in what neither side reads are one hypothesis, which Holm must count once.
            sides = (config.read_by(system), system), (other[0].read_by(other[1]), other[1])
            out.setdefault(sides, (place[config, system], place[other]))
    return list(out.values())


def _compare(
    numerators: Doubles, denominators: Doubles, pairs: list[tuple[int, int]], resamples: int, seed: int, intervals: bool
) -> list[Comparison | None]:
    """Comparisons of pairs of columns, None where they share no unit; pairs over the same units share resamples."""
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
