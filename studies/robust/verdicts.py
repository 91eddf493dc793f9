"""Judge the protocol's hypotheses on each ground of the record, by their declared rules."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from patent_embeddings.evaluation import randomisation, statistics
from patent_embeddings.grid.intervals import ALPHA, FEWEST, lost
from studies.robust import changes
from studies.robust.changes import Floats
from studies.robust.domain import TESTED, detectable
from studies.robust.protocol import Harmless, Keeps, Option, Protocol, Raises, Reaches
from studies.robust.record import LEGS, OPTIONS, UNIT, against_zero_shot, at_home, grounds, units

SUPPORTED, CONTRADICTED = "supported", "contradicted"
UNDETERMINED, NOT_TESTED = "undetermined", "not tested"
# Verdicts in the words of a ground: exploratory landscapes cannot confirm, planted effects cannot support.
WORDS = {
    "exploratory": {SUPPORTED: "suggested", CONTRADICTED: "spoken against"},
    "simulated": {SUPPORTED: "plant recovered", CONTRADICTED: "plant missed"},
}


@dataclass(frozen=True)
class _Answer:
    """Result of a rule: `holds` needs a significant p as well, and with `both` so does `fails`."""

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
    """The cells that a hypothesis needs are missing; the message is a sentence."""


@dataclass(frozen=True)
class _Ground:
    rows: pd.DataFrame
    protocol: Protocol
    resamples: int
    seed: int

    def of(self, option: Option) -> pd.DataFrame:
        """Rows of an option's cells. Raises _Lacking where a declared fold or seed is missing."""
        wanted = OPTIONS | option.columns
        mask = self.rows["recipe"] == option.recipe
        for name, value in wanted.items():
            mask &= self.rows[name] == value
        rows = self.rows[mask & self.rows["fold"].isin(self.protocol.folds)]
        trained = option.recipe != "zero-shot"
        if trained:
            rows = rows[rows["seed"].isin(self.protocol.seeds)]
        if rows.empty:
            raise _Lacking(f"No cell of {option.recipe} {option.settings or ''}".strip() + ".")
        runs = set(itertools.product(self.protocol.folds, self.protocol.seeds if trained else [0]))
        for (landscape, _), part in rows.groupby(["landscape", "trained_on"]):
            held = set(part[["fold", "seed"]].drop_duplicates().itertuples(index=False, name=None))
            if missing := runs - (held if trained else {(fold, 0) for fold, _ in held}):
                raise _Lacking(f"{option.recipe} on {landscape} lacks {len(missing)} of {len(runs)} declared runs.")
        return rows

    def values(self, option: Option, scope: str) -> pd.Series[float]:
        """Outcomes of an option by unit; fine-tuned cells at home."""
        return at_home(self.of(option), option.system, scope).set_index(UNIT)["value"]

    def everywhere(self, landscapes: Any, whose: str) -> None:
        """Raises _Lacking where a landscape is missing, as the others could be a favourable selection."""
        if missing := sorted(set(self.rows["landscape"]) - set(landscapes)):
            raise _Lacking(f"{whose} lacks {', '.join(missing)}.")

    def units(self, **columns: pd.Series[float]) -> pd.DataFrame:
        """Join columns on the units that all have. Raises _Lacking where these are too few."""
        table = pd.concat(columns, axis=1, join="inner")
        if len(table) < FEWEST:
            raise _Lacking(f"{len(table)} test queries are shared, too few for a test.")
        return table

    def above_zero(self, differences: Floats) -> tuple[float, float, float, float]:
        """Mean of differences, its interval, and the one-sided p-value."""
        column, n = differences[:, None], len(differences)
        low, high = statistics.bootstrap(column, lambda sums: sums[:, 0] / n, self.resamples, self.seed)
        return float(differences.mean()), low, high, randomisation.sign_flip(differences, self.resamples, self.seed)


def judge(rows: pd.DataFrame, protocol: Protocol, resamples: int = TESTED, seed: int = 0) -> pd.DataFrame:
    """Judge every hypothesis on every ground that has rows.

    Args:
        rows: of the record.
        protocol: as declared.
        resamples: of every interval and test.
        seed: of both.

    Returns:
        `ground`, `hypothesis`, `verdict` in the words of the ground, `reason`; `value`, `low`, `high`, `p`, `p_holm`
        over the protocol's hypotheses on this ground, `n`: NaN where nothing could be compared.
    """
    out = []
    for ground, part in grounds(rows, protocol).items():
        cells = _Ground(part, protocol, resamples, seed)
        answers: dict[str, _Answer | str] = {}
        for name, hypothesis in protocol.hypotheses.items():
            try:
                answers[name] = _RULES[hypothesis.rule](hypothesis, cells)
            except _Lacking as lacking:
                answers[name] = str(lacking)
        # Every declared hypothesis counts in Holm's correction; one without its cells has p = 1.
        p = [answer.p if isinstance(answer, _Answer) else 1.0 for answer in answers.values()]
        for (name, answer), adjusted in zip(answers.items(), statistics.holm(np.array(p)), strict=True):
            row: dict[str, Any] = {"ground": ground, "hypothesis": name}
            if isinstance(answer, str):
                out.append(row | {"verdict": NOT_TESTED, "reason": answer})
                continue
            verdict = _verdict(answer, bool(adjusted < ALPHA))
            numbers = {key: getattr(answer, key) for key in ("reason", "value", "low", "high", "p", "n")}
            word = WORDS.get(ground, {}).get(verdict, verdict)
            out.append(row | {"verdict": word, **numbers, "p_holm": float(adjusted)})
    return pd.DataFrame(out)


def _verdict(answer: _Answer, significant: bool) -> str:
    if answer.holds and significant:
        return SUPPORTED
    return CONTRADICTED if answer.fails and (significant or not answer.both) else UNDETERMINED


def _keeps(hypothesis: Keeps, ground: _Ground) -> _Answer:
    candidate = ground.values(Option(recipe=hypothesis.candidate), "all")
    ground.everywhere(candidate.index.get_level_values("landscape"), f"At home, {hypothesis.candidate}")
    zero = ground.values(Option(), "all")
    tables, left_out = {}, []
    tuned = ground.rows["trained_on"] != ""
    for recipe in sorted(set(ground.rows.loc[tuned, "recipe"]) - {hypothesis.candidate}):
        try:
            rival = ground.values(Option(recipe=recipe), "all")
            ground.everywhere(rival.index.get_level_values("landscape"), recipe)
            tables[recipe] = ground.units(tuned=rival, candidate=candidate, zero=zero)
        except _Lacking:
            left_out.append(recipe)
    if not tables:
        raise _Lacking(f"No other recipe has its cells beside those of {hypothesis.candidate} and zero-shot.")
    gains = {recipe: float((table["tuned"] - table["zero"]).mean()) for recipe, table in tables.items()}
    best = max(gains, key=lambda recipe: gains[recipe])
    table = tables[best]
    gain = table["candidate"] - table["zero"]
    rest = gain - hypothesis.share * (table["tuned"] - table["zero"])
    value, low, high, p = ground.above_zero(rest.to_numpy(dtype=float))
    ours, theirs = float(gain.mean()), gains[best]
    reason = f"{hypothesis.candidate} gains {ours:+.4f} at home, the best recipe, {best}, {theirs:+.4f}."
    if left_out:
        reason += f" Left out, as runs are missing: {', '.join(left_out)}."
    holds, fails = ours > 0 and theirs > 0, high < 0 < theirs
    return _Answer(reason, value, low, high, p, len(table), holds, fails)


def _harmless(hypothesis: Harmless, ground: _Ground) -> _Answer:
    option = Option(recipe=hypothesis.candidate, settings=hypothesis.settings)
    margin = ground.protocol.margin
    pairs = against_zero_shot(units(pd.concat([ground.of(option), ground.of(Option())])))
    abroad = pairs[~pairs["home"]]
    if abroad.empty:
        raise _Lacking(f"{hypothesis.candidate} is scored on no landscape that it was not trained on.")
    ground.everywhere(abroad["landscape"], f"Scored abroad, {hypothesis.candidate}")
    found, unknown = [], []
    for (trained_on, landscape), rows in abroad.groupby(["trained_on", "landscape"]):
        where = f"{trained_on} on {landscape}"
        changed = changes.change(rows, ground.resamples, ground.seed)
        if changed is None:
            unknown.append(where)
            continue
        low, high = changes.bounds(changed[1])
        table = rows.groupby(UNIT)[["tuned", "zero"]].mean()
        differences = (table["tuned"] - table["zero"]).to_numpy(dtype=float)
        harmless = margin * float(table["zero"].mean())
        p = randomisation.sign_flip(differences + harmless, ground.resamples, ground.seed)  # of non-inferiority
        found.append((changed[0], low, high, p, where))
    if not found:
        raise _Lacking(f"Too few test queries to say anything: {', '.join(unknown)}.")
    worst = min(found)
    safe = sum(low > -margin for _, low, *_ in found)
    reason = f"Not inferior on {safe} of {len(found)} pairs; the worst is {worst[4]}, {worst[0]:+.1%}."
    if unknown:
        reason += f" Too few test queries to say anything: {', '.join(unknown)}."
    largest = max(one[3] for one in found)
    holds = safe == len(found) and not unknown
    fails = any(high < -margin for _, _, high, *_ in found)
    value, low, high, *_ = worst
    return _Answer(reason, value, low, high, largest, len(abroad[UNIT].drop_duplicates()), holds, fails)


def _raises(hypothesis: Raises, ground: _Ground) -> _Answer:
    sides = {side: ground.values(getattr(hypothesis, side), hypothesis.scope) for side in ("first", "second")}
    table = ground.units(**sides)
    first, second = (table[name].to_numpy(dtype=float) for name in ("first", "second"))
    found = statistics.compare(first, second, ground.resamples, ground.seed)
    could = detectable(first - second)
    reason = f"{first.mean():.4f} against {second.mean():.4f}; {could:.4f} could have been detected."
    up, down = found.difference > 0, found.difference < 0
    return _Answer(reason, found.difference, found.low, found.high, found.p, found.n, up, down, both=True)


def _reaches(hypothesis: Reaches, ground: _Ground) -> _Answer:
    legs = {leg: ground.values(Option(system=leg), "out-paired") for leg in LEGS}
    both = {
        name: ground.values(hypothesis.option, f"{side}-paired") for name, side in (("ours", "out"), ("inside", "in"))
    }
    table = ground.units(**both, **legs)
    means = {name: float(table[name].mean()) for name in LEGS}
    leg = max(means, key=lambda name: means[name])
    value, low, high, p = ground.above_zero((table["ours"] - hypothesis.factor * table[leg]).to_numpy(dtype=float))
    scopes, out = table[["inside", "ours"]].to_numpy(dtype=float), float(table["ours"].mean())
    gap, gap_low, gap_high = lost(scopes, ground.resamples, ground.seed)
    times = out / means[leg] if means[leg] else float("nan")
    reason = f"OUT {out:.4f}, {times:.2f} times the best leg ({leg}); gap {gap:.0%} ({gap_low:.0%} to {gap_high:.0%})."
    holds, fails = gap_high < hypothesis.gap, high < 0 or gap_low > hypothesis.gap
    return _Answer(reason, value, low, high, p, len(table), holds, fails)


_RULES: dict[str, Any] = {"keeps": _keeps, "harmless": _harmless, "raises": _raises, "reaches": _reaches}
