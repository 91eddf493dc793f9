"""Comparisons of cells, matched unit by unit (`units`), one by one and as declared sets of hypotheses."""

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


@dataclass(frozen=True)
class Tested:
    """One comparison with its adjusted p-value: what is compared, where, first minus second."""

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
        """Both sides as files have them; their systems too, where systems are compared."""
        return self._sides(lambda one: one.label)

    @property
    def titles(self) -> tuple[str, str]:
        """Both sides as people read them."""
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

    Takes rows of `paired`. None where too little tells how adapters differ: one seed, on fewer than `FEWEST` folds of
    all landscapes.
    """
    if not (pairs[["seeds_first", "seeds_second"]] > 0).any(axis=None):
        return result
    sides = ("first", "second")
    values = [f"{part}_{side}" for part in ("numerator", "denominator") for side in sides]
    table = pairs.groupby(UNIT, observed=True)[values].mean()
    sums = table.sum()
    scores = {side: sums[f"numerator_{side}"] / sums[f"denominator_{side}"] for side in sides}
    parts = {
        side: (table[f"numerator_{side}"] - scores[side] * table[f"denominator_{side}"]) / sums[f"denominator_{side}"]
        for side in sides
    }
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
        cells = pairs.assign(share=share).groupby(["config", "landscape", "fold"], observed=True)
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
        spread = sum(one**2 / degree for one, degree in zip(added, degrees, strict=True) if one > 0)
        freedom = variance**2 / spread if variance else 1.0
    error = float(np.sqrt(variance))
    half = float(stats.t.isf(ALPHA / 2, freedom)) * error
    p = 2 * float(stats.t.sf(abs(result.difference) / error, freedom)) if error else 0.0
    low, high = min(result.low, result.difference - half), max(result.high, result.difference + half)
    return replace(result, low=low, high=high, p=max(result.p, p))


def _variance(parts: pd.Series[float]) -> float:
    """Variance of a sum whose independent parts are known as deviations, which sum to 0."""
    return float((parts**2).sum() * len(parts) / (len(parts) - 1)) if len(parts) > 1 else math.nan


def reversed_(result: Comparison) -> Comparison:
    """The comparison the other way round."""
    return replace(result, difference=-result.difference, low=-result.high, high=-result.low, effect=-result.effect)


def adjusted(results: Sequence[Comparison]) -> list[float]:
    """Holm's p-values of one set."""
    return [float(value) for value in statistics.holm(np.array([result.p for result in results]))] if results else []


def undecidable(tested: Sequence[Tested]) -> bool:
    """Whether no difference could be significant among the comparisons of one set, landscape and task.

    The least p-value of n signs is 2 ** (1 - n), and Holm multiplies the least by how many there are.
    """
    return len(tested) * 2.0 ** (1 - max(one.result.n for one in tested)) >= ALPHA


def declared(outcomes: pd.DataFrame, hypotheses: Mapping[str, Hypotheses]) -> list[Tested]:
    """Every declared comparison, entries of registry/hypotheses.yaml by id, of outcomes as in `units`."""
    return [
        one
        for name, declared_ in hypotheses.items()
        for task in declared_.tasks
        for one in every_pair(outcomes, name, declared_.compares, task)
    ]


def every_pair(
    outcomes: pd.DataFrame, hypotheses: str, compares: str, task: Task, resamples: int = RESAMPLES, seed: int = 0
) -> list[Tested]:
    """All comparisons of a declared set on one task, Holm within each landscape.

    `compares`: `cells` (each pair), `tuned` (each tuned cell with its zero-shot), `systems` (each with dense), or
    `candidates` (each pair of cell and system, without intervals). `outcomes` and `task` as in `units`.
    """
    rows = {"systems": _every_system, "candidates": candidates}.get(compares, _distinct)(outcomes, task)
    found = []
    for landscape, ours in rows.groupby("landscape", observed=True):
        wide = ours.pivot_table(
            index=["fold", "query_id"], columns=["config", "system"], values=["numerator", "denominator"], sort=True
        )
        keys = list(wide["numerator"].columns)
        pairs = _pairs(keys, compares)
        # Half a million pairs of candidates: whoever asks for them wants one interval, and all p-values.
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
    """Rows of `units` for every system; BM25, which no model or recipe changes, is a cell of its own."""
    return _once(_every_system(outcomes, task))


def _distinct(outcomes: pd.DataFrame, task: Task) -> pd.DataFrame:
    return _once(units(outcomes, task))


def _once(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `units`, those of cells that differ in nothing that the system reads once: no two of them can differ."""
    keys = list(zip(rows["config"], rows["system"], strict=True))
    seen = {(one, system): one.lexical if system == "bm25" else one.read_by(system) for one, system in set(keys)}
    return rows.assign(config=objects((seen[key] for key in keys), rows.index)).drop_duplicates(
        ["config", *UNIT, "system"]
    )


def _pairs(keys: Sequence[Candidate], compares: str) -> list[tuple[int, int]]:
    """Columns to compare, by cell and system."""
    if compares in ("cells", "candidates"):
        return list(itertools.combinations(range(len(keys)), 2))
    place = {key: number for number, key in enumerate(keys)}
    out = []
    for config, system in keys:
        other = (config, "dense") if compares == "systems" else (config.base, system)
        if other != (config, system) and other in place:
            out.append((place[config, system], place[other]))
    return out


def _compare(
    numerators: Doubles, denominators: Doubles, pairs: list[tuple[int, int]], resamples: int, seed: int, intervals: bool
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
