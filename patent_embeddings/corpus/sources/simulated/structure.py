"""The structure of a simulated landscape: ideas, the families that apply them, and citations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from patent_embeddings.core.arrays import Integers
from patent_embeddings.corpus.sources.simulated.words import FIELDS, GROUPS, MECHANISMS, OPTIONS, PER_GROUP
from patent_embeddings.corpus.values import Simulated

_FIRST, _LAST = np.datetime64("2001-01-01"), np.datetime64("2023-12-31")
_FIELDS_OF_IDEA = np.array([0.5, 0.3, 0.2])  # share of an idea's families in each field that takes it up
_MAIN = 4  # subclasses of a field's own class; the one after them belongs to a second class
_SHARES = (0.45, 0.3, 0.17, 0.08)  # of the subclasses of a class; some are rare, as in reality


@dataclass(frozen=True)
class Plan:
    """The structure of a landscape. Arrays have one entry per family, ordered by date, unless noted."""

    idea: Integers
    field: Integers  # row of `FIELDS`
    mechanism: Integers  # row of `MECHANISMS`
    options: Integers  # (families, facets), the detail chosen of each facet
    second: Integers  # row of a further mechanism, or -1
    subclasses: Integers  # (families, 3) columns of the field's subclasses, or -1
    dates: npt.NDArray[np.datetime64]  # days
    citing: Integers  # (citations,) rows of the families
    cited: Integers
    kind: Integers  # (citations,) 0 same idea and field, 1 same idea in another field, 2 noise


def plan(entry: Simulated) -> Plan:
    """Draw the structure of a landscape: ideas, the families that apply them, and citations."""
    rng = np.random.default_rng(entry.seed)
    n = entry.families
    ideas = max(2, round(n / entry.idea_families))
    mechanism_of = np.resize(rng.permutation(len(MECHANISMS)), ideas)
    options_of = np.stack([rng.integers(0, size, ideas) for size in OPTIONS], axis=1)
    fields_of = rng.random((ideas, len(FIELDS))).argsort(axis=1)[:, : len(_FIELDS_OF_IDEA)]
    other = (mechanism_of + PER_GROUP * rng.integers(1, len(GROUPS), ideas)) % len(MECHANISMS)
    second_of = np.where(rng.random(ideas) < entry.combined, other, -1)

    weight = rng.gamma(4.0, size=ideas)
    idea = rng.choice(ideas, n, p=weight / weight.sum())
    field = fields_of[idea, rng.choice(len(_FIELDS_OF_IDEA), n, p=_FIELDS_OF_IDEA)]
    days = int((_LAST - _FIRST).astype(int))
    dates = _FIRST + np.sort(rng.integers(0, days, n))
    citations = _citations(entry, rng, idea, field, dates)
    subclasses = _subclasses(rng, idea, field)
    return Plan(idea, field, mechanism_of[idea], options_of[idea], second_of[idea], subclasses, dates, *citations)


def _subclasses(rng: np.random.Generator, idea: Integers, field: Integers) -> Integers:
    """One to three subclasses per family; the first is of the field's own class and often the usual one of the idea."""
    n = len(idea)
    usual = (idea * 7 + field * 3) % _MAIN
    chosen = np.full((n, 3), -1)
    chosen[:, 0] = np.where(rng.random(n) < 0.4, usual, rng.choice(_MAIN, n, p=_SHARES))
    second = rng.random(n) < 0.25
    chosen[second, 1] = (chosen[second, 0] + rng.integers(1, _MAIN, second.sum())) % _MAIN
    chosen[rng.random(n) < 0.15, 2] = _MAIN
    return chosen


def _citations(
    entry: Simulated, rng: np.random.Generator, idea: Integers, field: Integers, dates: npt.NDArray[np.datetime64]
) -> tuple[Integers, Integers, Integers]:
    """Citing rows, cited rows and kinds, sorted by citing and cited row."""
    n = len(idea)
    rows = pd.DataFrame({"idea": idea, "row": np.arange(n)})
    pairs = rows.merge(rows, on="idea", suffixes=("_citing", "_cited"))
    citing, cited = pairs["row_citing"].to_numpy(), pairs["row_cited"].to_numpy()
    earlier = dates[cited] < dates[citing]
    citing, cited = citing[earlier], cited[earlier]
    kind = (field[citing] != field[cited]).astype(np.int64)

    quota = np.stack([rng.poisson(mean, n) for mean in (entry.citations_in, entry.citations_out)])
    order = np.lexsort((rng.random(len(citing)), kind, citing))
    citing, cited, kind = citing[order], cited[order], kind[order]
    turn = pd.DataFrame({"citing": citing, "kind": kind}).groupby(["citing", "kind"]).cumcount().to_numpy()
    kept = turn < quota[kind, citing]

    noisy = np.repeat(np.arange(n), rng.poisson(entry.citations_noise, n))
    target = np.floor(rng.random(len(noisy)) * noisy).astype(np.int64)
    stray = (dates[target] < dates[noisy]) & (idea[target] != idea[noisy])
    planted = pd.DataFrame({"citing": citing[kept], "cited": cited[kept], "kind": kind[kept]})
    edges = pd.concat([planted, pd.DataFrame({"citing": noisy[stray], "cited": target[stray], "kind": 2})])
    edges = edges.sort_values(["citing", "cited"], kind="stable").drop_duplicates(["citing", "cited"])
    return edges["citing"].to_numpy(), edges["cited"].to_numpy(), edges["kind"].to_numpy()
