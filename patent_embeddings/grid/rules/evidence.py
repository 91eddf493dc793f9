"""Input and output of the rules of findings, and helpers that several rules use."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import pandas as pd

from patent_embeddings.evaluation.statistics import Comparison
from patent_embeddings.grid.comparisons import adjusted, of_recipes, pooled
from patent_embeddings.grid.intervals import ALPHA, FEWEST

Verdict = Literal["supported", "contradicted", "undetermined", "not tested"]
VIEWS: tuple[str, ...] = ("query_view", "document_view")
TRAINING: tuple[str, ...] = ("recipe", "trained_on", "options")  # that differ between a fine-tuned and a zero-shot cell
FEW = f"Fewer than {FEWEST} units decide nothing."
Key = TypeVar("Key")


@dataclass(frozen=True)
class Effect:
    """An effect size with its 95 % interval over `n` units; `what` describes it."""

    what: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Found:
    """The answer of a rule."""

    verdict: Verdict
    reason: str
    effect: Effect | None = None
    hypotheses: list[tuple[str, Comparison]] = field(default_factory=list)
    used: pd.DataFrame | None = None
    seeds: bool = False  # whether more training seeds would decide it


@dataclass(frozen=True)
class Ground:
    """Input of a rule: outcomes on real or on simulated landscapes, family and size of each model, and resampling."""

    outcomes: pd.DataFrame
    sizes: Mapping[str, tuple[str, float]]
    resamples: int
    seed: int

    def pooled(self, pairs: pd.DataFrame) -> Comparison:
        """`comparisons.pooled` with the ground's resamples and seed."""
        return pooled(pairs, self.resamples, self.seed)

    def trained(self, pairs: pd.DataFrame) -> tuple[Comparison, bool]:
        """A comparison of recipes, or else one of these adapters only, and whether it is the latter."""
        adapters = self.pooled(pairs)
        recipes = of_recipes(adapters, pairs)
        return (adapters, True) if recipes is None else (recipes, False)


def enough(found: Found) -> Found:
    """The answer, but undetermined and without interval where it rests on fewer than `FEWEST` units."""
    effect = found.effect
    if effect is None or effect.n >= FEWEST:
        return found
    found = replace(found, effect=replace(effect, low=math.nan, high=math.nan))
    if found.verdict not in ("supported", "contradicted"):
        return found
    return replace(found, verdict="undetermined", reason=FEW)


def of_adapters(found: Found, alone: bool) -> Found:
    """The answer, but undetermined where it holds for these adapters `alone` and may not hold for their recipes."""
    if not alone or found.verdict not in ("supported", "contradicted"):
        return found
    reason = (
        f"Of these adapters: {found.reason} Of one training seed on few folds, they do not say so of their recipes."
    )
    return replace(found, verdict="undetermined", reason=reason, seeds=True)


def signs_of(compared: Mapping[Key, Comparison]) -> dict[Key, int]:
    """Sign of each comparison, 0 where it is not significant after Holm's correction over all of them."""
    both = zip(compared.items(), adjusted(list(compared.values())), strict=True)
    return {key: (1 if result.difference > 0 else -1) * (p < ALPHA) for (key, result), p in both}


def sized(what: str, result: Comparison) -> Effect:
    """The effect size of a comparison."""
    return Effect(what, result.difference, result.low, result.high, result.n)


def used_by(ground: Ground, parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The outcomes of the cells that rows of `units` came from."""
    used = pd.concat([part[["config", "landscape"]] for part in parts]).drop_duplicates()
    cells = ground.outcomes[["cell", "config", "landscape"]].drop_duplicates()
    return cells.merge(used, on=["config", "landscape"])


def apart(rows: pd.DataFrame, field_: str, values: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Rows by the value of a field of their configuration."""
    found = pd.Series([getattr(one, field_) for one in rows["config"]], rows.index, dtype=object)
    return {value: rows[found == value] for value in values}
