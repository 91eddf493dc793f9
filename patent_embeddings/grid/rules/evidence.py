"""What every rule of a finding looks at, what it answers with, and the words for both."""

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
TRAINING: tuple[str, ...] = ("recipe", "trained_on", "options")  # what a tuned cell and its zero-shot model differ in
FEW = f"Fewer than {FEWEST} units decide nothing."
Key = TypeVar("Key")


@dataclass(frozen=True)
class Effect:
    """A size with its 95 % interval: `what` it is, over `n` units."""

    what: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Found:
    """A rule's answer before it is put in a judgement."""

    verdict: Verdict
    reason: str
    effect: Effect | None = None
    hypotheses: list[tuple[str, Comparison]] = field(default_factory=list)
    used: pd.DataFrame | None = None
    seeds: bool = False  # more of them would test it


@dataclass(frozen=True)
class Ground:
    """What a rule looks at: outcomes of one ground, family and size of each model, and how to resample."""

    outcomes: pd.DataFrame
    sizes: Mapping[str, tuple[str, float]]
    resamples: int
    seed: int

    def pooled(self, pairs: pd.DataFrame) -> Comparison:
        """`comparisons.pooled` with the ground's resamples and seed."""
        return pooled(pairs, self.resamples, self.seed)

    def trained(self, pairs: pd.DataFrame) -> tuple[Comparison, bool]:
        """Comparison of what was trained, and whether it can be one of these adapters only."""
        result = self.pooled(pairs)
        found = of_recipes(result, pairs)
        return (result, True) if found is None else (found, False)


def enough(found: Found) -> Found:
    """Nothing is decided by fewer than `FEWEST` units, and their interval would be far too narrow."""
    effect = found.effect
    if effect is None or effect.n >= FEWEST:
        return found
    found = replace(found, effect=replace(effect, low=math.nan, high=math.nan))
    if found.verdict not in ("supported", "contradicted"):
        return found
    return replace(found, verdict="undetermined", reason=FEW)


def of_adapters(found: Found, alone: bool) -> Found:
    """What was found; undetermined where it is of adapters `alone`, whose luck is not told from their recipes."""
    if not alone or found.verdict not in ("supported", "contradicted"):
        return found
    reason = (
        f"Of these adapters: {found.reason} Of one training seed on few folds, they do not say so of their recipes."
    )
    return replace(found, verdict="undetermined", reason=reason, seeds=True)


def signs_of(compared: Mapping[Key, Comparison]) -> dict[Key, int]:
    """1 or -1 where a comparison is significant after Holm over all of them, 0 where it is not."""
    both = zip(compared.items(), adjusted(list(compared.values())), strict=True)
    return {key: (1 if result.difference > 0 else -1) * (p < ALPHA) for (key, result), p in both}


def sized(what: str, result: Comparison) -> Effect:
    """The size that a comparison shows."""
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
