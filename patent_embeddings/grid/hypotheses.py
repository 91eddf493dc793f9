"""The hypotheses of a protocol, each judged by its declared rule from the outcomes of many cells, ground by ground.

Nothing here reads or writes a file.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from patent_embeddings.evaluation import statistics
from patent_embeddings.grid import beyond, comparisons
from patent_embeddings.grid.comparisons import LEVEL, RESAMPLES, UNIT
from patent_embeddings.grid.entries import Option
from patent_embeddings.grid.findings import CONTRADICTED, NOT_TESTED, PLANTED, SUPPORTED, UNDETERMINED

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from patent_embeddings.grid.entries import Harmless, Keeps, Protocol, Raises, Reaches

    Floats = npt.NDArray[np.float64]

# What was looked at before cannot confirm; what is planted cannot support.
WORDS = {
    "confirmation": {},
    "exploratory": {SUPPORTED: "suggested", CONTRADICTED: "spoken against"},
    "simulated": PLANTED,
}


@dataclass(frozen=True)
class Verdict:
    """What the cells of one ground say of one hypothesis.

    Attributes:
        hypothesis: id.
        ground: one of `beyond.GROUNDS`.
        verdict: supported, contradicted (in the words of the ground), undetermined, not tested.
        reason: why, in a sentence.
        value: the size that the verdict rests on, with its interval; NaN where nothing could be compared.
        low: of its 95 % interval.
        high: of its 95 % interval.
        p: of the rule's test.
        p_holm: over the protocol's hypotheses on this ground.
        n: units.
    """

    hypothesis: str
    ground: str
    verdict: str
    reason: str
    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    p: float = float("nan")
    p_holm: float = float("nan")
    n: int = 0


@dataclass(frozen=True)
class _Answer:
    """What a rule found: `holds` and `fails` beside a significant p; `both` where failing needs it too."""

    reason: str
    value: float
    low: float
    high: float
    p: float
    n: int
    holds: bool
    fails: bool
    both: bool = False


class _Lacking(Exception):
    """The cells that a hypothesis needs are not there, in a sentence."""


@dataclass(frozen=True)
class _Ground:
    outcomes: pd.DataFrame
    protocol: Protocol
    base: Mapping[str, Any]
    resamples: int
    seed: int

    def of(self, option: Option) -> pd.DataFrame:
        """Outcomes of an option's cells, all of the declared folds and seeds."""
        words = {f"{key}={value}" for key, value in option.settings.items() if self.base.get(key) != value}
        rows = self.outcomes[self.outcomes["recipe"] == option.recipe]
        rows = rows[rows["variant"].isin([name for name in rows["variant"].unique() if set(name.split()) == words])]
        name = " ".join([option.recipe, *sorted(words)])
        if rows.empty:
            raise _Lacking(f"No cell of {name}.")
        trained = option.recipe != "zero-shot"
        rows = rows[rows["fold"].isin(self.protocol.folds)]
        wanted: set[Any] = set(self.protocol.folds)
        if trained:
            rows = rows[rows["seed"].isin(self.protocol.seeds)]
            wanted = set(itertools.product(self.protocol.folds, self.protocol.seeds))
        if rows.empty:
            raise _Lacking(f"{name} has none of the declared folds and seeds.")
        for place, part in rows.groupby([*beyond.PLACE, "landscape", "trained_on"], observed=True):
            runs = part[["fold", "seed"]].drop_duplicates()
            held = set(runs.itertuples(index=False, name=None)) if trained else set(runs["fold"])
            if missing := sorted(wanted - held):
                first = f"fold {missing[0][0]} with seed {missing[0][1]}" if trained else f"fold {missing[0]}"
                raise _Lacking(f"{name}, {place[0]} on {place[-2]}, lacks {len(missing)} of {len(wanted)} declared runs, the first {first}.")  # fmt: skip
        return rows

    def values(self, option: Option, scope: str) -> pd.Series[float]:
        """Outcomes of an option by model, views and unit, tuned cells at home."""
        rows = beyond.at_home(self.of(option), option.system, scope)
        return rows.set_index([*beyond.PLACE, *UNIT])["value"]

    @cached_property
    def landscapes(self) -> set[str]:
        """Those that have retrieval."""
        return {*self.outcomes.loc[self.outcomes["task"] == "retrieval", "landscape"].unique()}

    def everywhere(self, landscapes: pd.Index[str] | pd.Series[str], whose: str) -> None:
        """Raises _Lacking where a landscape with retrieval is missing: a part of them could be the good part."""
        if missing := sorted(self.landscapes - {*landscapes.unique()}):
            raise _Lacking(f"{whose} lacks {', '.join(missing)}.")

    def units(self, **columns: pd.Series[float]) -> pd.DataFrame:
        """Columns on the units that all have, averaged over models and views.

        Raises:
            _Lacking: they share too few.
        """

        table = pd.concat(columns, axis=1, join="inner").groupby(UNIT, observed=True).mean()
        if len(table) < comparisons.FEWEST:
            raise _Lacking(f"{len(table)} test queries are shared, too few for a test.")
        return table

    def above_zero(self, differences: Floats) -> tuple[float, float, float, float]:
        """Mean, its interval, and the one-sided p-value."""

        low, high = statistics.interval(differences, self.resamples, self.seed)
        p = statistics.sign_flip(differences, self.resamples, self.seed, alternative="greater")
        return float(differences.mean()), float(low), float(high), float(p)


def judge(
    outcomes: pd.DataFrame, protocol: Protocol, base: Mapping[str, Any], resamples: int = RESAMPLES, seed: int = 0
) -> list[Verdict]:
    """Judge every hypothesis on every ground that has outcomes.

    Args:
        outcomes: as `stages.findings.judge` takes them.
        protocol: its entry.
        base: params.yaml by dotted key: a setting that is as there is no variant.
        resamples: of every interval and test.
        seed: of both.

    Returns:
        Verdicts, ground by ground, in the protocol's order.
    """
    out = []
    for ground, rows in beyond.grounds(outcomes, protocol).items():
        cells = _Ground(rows, protocol, base, resamples, seed)
        answers: dict[str, _Answer | str] = {}
        for name, hypothesis in protocol.hypotheses.items():
            try:
                answers[name] = _RULES[hypothesis.rule](hypothesis, cells)
            except _Lacking as lacking:
                answers[name] = str(lacking)
        # Every declared hypothesis counts in the family: one that lacks its cells cannot be significant.
        p = [answer.p if isinstance(answer, _Answer) else 1.0 for answer in answers.values()]
        adjusted = dict(zip(answers, beyond.holm(p), strict=True))
        for name, answer in answers.items():
            if isinstance(answer, str):
                out.append(Verdict(name, ground, NOT_TESTED, answer))
                continue
            significant = adjusted[name] < LEVEL
            verdict = UNDETERMINED
            if answer.holds and significant:
                verdict = SUPPORTED
            elif answer.fails and (significant or not answer.both):
                verdict = CONTRADICTED
            said = WORDS[ground].get(verdict, verdict)
            out.append(Verdict(name, ground, said, answer.reason, answer.value, answer.low, answer.high, answer.p, adjusted[name], answer.n))  # fmt: skip
    return out


def _keeps(hypothesis: Keeps, ground: _Ground) -> _Answer:
    candidate = ground.values(Option(recipe=hypothesis.candidate), "all")
    ground.everywhere(candidate.index.get_level_values("landscape"), f"At home, {hypothesis.candidate}")
    zero = ground.values(Option(), "all")
    tables, left_out = {}, []
    rivals = set(ground.outcomes.loc[ground.outcomes["trained_on"] != "", "recipe"]) - {hypothesis.candidate}
    for recipe in sorted(rivals):
        try:
            tuned = ground.values(Option(recipe=recipe), "all")
            ground.everywhere(tuned.index.get_level_values("landscape"), recipe)
            tables[recipe] = ground.units(tuned=tuned, candidate=candidate, zero=zero)
        except _Lacking:
            left_out.append(recipe)
    if not tables:
        raise _Lacking(f"No other recipe has its cells beside those of {hypothesis.candidate} and zero-shot.")
    gains = {recipe: float(table["tuned"].mean() - table["zero"].mean()) for recipe, table in tables.items()}
    best = max(gains, key=lambda recipe: gains[recipe])
    table = tables[best]
    rest = (table["candidate"] - table["zero"]) - hypothesis.share * (table["tuned"] - table["zero"])
    value, low, high, p = ground.above_zero(rest.to_numpy(dtype=float))
    ours, theirs = float(table["candidate"].mean() - table["zero"].mean()), gains[best]
    reason = f"At home {hypothesis.candidate} gains {ours:+.4f}, the best recipe, {best}, {theirs:+.4f}; what is left above {hypothesis.share:.0%} of that is {value:+.4f}."  # fmt: skip
    if left_out:
        reason += f" Left out, as runs are missing: {', '.join(left_out)}."
    return _Answer(reason, value, low, high, p, len(table), holds=ours > 0 and theirs > 0, fails=high < 0 < theirs)


def _harmless(hypothesis: Harmless, ground: _Ground) -> _Answer:

    (option,) = hypothesis.options
    margin = ground.protocol.margin
    pairs = beyond.against_zero_shot(beyond.by_seed(pd.concat([ground.of(option), ground.of(Option())])), by=["seed"])
    abroad = pairs[~comparisons.trained_here(pairs)]
    if abroad.empty:
        raise _Lacking(f"{hypothesis.candidate} is scored on no landscape that it was not trained on.")
    ground.everywhere(abroad["landscape"], f"Scored abroad, {hypothesis.candidate}")
    for home, rows in pairs.groupby("trained_on", observed=True):
        ground.everywhere(rows["landscape"], f"Trained on {home}, {hypothesis.candidate}")
    found, unknown = [], []
    several = [key for key in beyond.PLACE if abroad[key].nunique() > 1]
    # Each model and view by itself: the mean of them would hide what one of them loses.
    for (*place, trained_on, landscape), rows in abroad.groupby(
        [*beyond.PLACE, "trained_on", "landscape"], observed=True
    ):
        said = [str(value) for key, value in zip(beyond.PLACE, place, strict=True) if key in several]
        where = " ".join([*said, f"{trained_on} on {landscape}"])
        changed = beyond.change(rows, ground.resamples, ground.seed)
        if changed is None:
            unknown.append(where)
            continue
        low, high = beyond.bounds(changed[1])
        table = rows.groupby(UNIT, observed=True)[["tuned", "zero"]].mean()
        differences = (table["tuned"] - table["zero"]).to_numpy(dtype=float)
        p = statistics.non_inferiority(differences, margin * float(table["zero"].mean()), ground.resamples, ground.seed)
        found.append((changed[0], low, high, float(p), where))
    if not found:
        raise _Lacking(f"Too few test queries to say anything: {', '.join(unknown)}.")
    worst = min(found)
    safe = sum(low > -margin for _, low, *_ in found)
    reason = f"On {safe} of {len(found)} pairs of training and other landscape the interval of the change is above {-margin:.0%}; the worst is {worst[4]}, {worst[0]:+.1%} ({worst[1]:+.1%} to {worst[2]:+.1%})."  # fmt: skip
    if unknown:
        reason += f" Too few test queries to say anything: {', '.join(unknown)}."
    return _Answer(
        reason, worst[0], worst[1], worst[2], max(one[3] for one in found), len(abroad[UNIT].drop_duplicates()),
        holds=safe == len(found) and not unknown, fails=any(high < -margin for _, _, high, *_ in found),
    )  # fmt: skip


def _raises(hypothesis: Raises, ground: _Ground) -> _Answer:
    table = ground.units(first=ground.values(hypothesis.first, hypothesis.scope), second=ground.values(hypothesis.second, hypothesis.scope))  # fmt: skip
    first, second = (table[name].to_numpy(dtype=float) for name in ("first", "second"))
    result = comparisons.honest(statistics.compare(first, second, ground.resamples, ground.seed))
    reason = f"{first.mean():.4f} against {second.mean():.4f}, {result.difference:+.4f}; {beyond.detectable(first - second):.4f} could have been detected."  # fmt: skip
    return _Answer(reason, result.difference, result.low, result.high, result.p, result.n, holds=result.difference > 0, fails=result.difference < 0, both=True)  # fmt: skip


def _reaches(hypothesis: Reaches, ground: _Ground) -> _Answer:

    legs = {leg: ground.values(Option(system=leg), "out-paired") for leg in beyond.LEGS}
    table = ground.units(ours=ground.values(hypothesis.option, "out-paired"), inside=ground.values(hypothesis.option, "in-paired"), **legs)  # fmt: skip
    means = {name: float(table[name].mean()) for name in beyond.LEGS}
    leg = max(means, key=lambda name: means[name])
    value, low, high, p = ground.above_zero((table["ours"] - hypothesis.factor * table[leg]).to_numpy(dtype=float))
    both = table[["inside", "ours"]].to_numpy(dtype=float)
    gap_low, gap_high = comparisons.loss_interval(both, ground.resamples, ground.seed)
    gap = float(comparisons.loss(np.asarray(both.sum(axis=0))[None])[0])
    ours, best = float(table["ours"].mean()), means[leg]
    times = ours / best if best else float("nan")
    reason = f"OUT {ours:.4f}, {times:.2f} times the best leg ({leg}, {best:.4f}); gap {gap:.0%} ({gap_low:.0%} to {gap_high:.0%})."  # fmt: skip
    return _Answer(reason, value, low, high, p, len(table), holds=gap_high < hypothesis.gap, fails=high < 0 or gap_low > hypothesis.gap)  # fmt: skip


_RULES: dict[str, Any] = {"keeps": _keeps, "harmless": _harmless, "raises": _raises, "reaches": _reaches}
