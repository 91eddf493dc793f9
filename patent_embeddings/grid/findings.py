"""The findings of the study, each judged by its declared rule from the outcomes of many cells.

Real and simulated landscapes are judged apart. What is planted can be recovered or missed; it cannot
support a finding about patents. Nothing here reads or writes a file.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
from scipy.stats import permutation_test

from patent_embeddings.evaluation import statistics
from patent_embeddings.grid import comparisons
from patent_embeddings.grid.comparisons import CONFIG, LEVEL, RESAMPLES, UNIT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from patent_embeddings.evaluation.statistics import Comparison
    from patent_embeddings.grid import entries

    Floats = npt.NDArray[np.float64]

SUPPORTED, CONTRADICTED, UNDETERMINED, NOT_TESTED = "supported", "contradicted", "undetermined", "not tested"
PLANTED = {SUPPORTED: "plant recovered", CONTRADICTED: "plant missed"}
VIEWS = ["query_view", "document_view"]
Key = TypeVar("Key")
TRAINING = ["recipe", "trained_on", "variant"]  # what a tuned cell and its zero-shot model differ in
FEW = f"Fewer than {comparisons.FEWEST} units decide nothing."


@dataclass(frozen=True)
class Effect:
    """A size with its 95 % interval: `what` it is, over `n` units."""

    what: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Judgement:
    """What the cells say of one finding on one ground.

    Attributes:
        finding: id.
        ground: `real` or `simulated`.
        verdict: supported, contradicted (simulated: plant recovered, plant missed), undetermined, not tested.
        reason: why, in a sentence.
        effect: the size that the verdict rests on; None where nothing could be compared.
        hypotheses: the comparisons of the finding's own Holm family.
        cells: those used.
        needs: axes of the cells that would test it, where it is not tested or undetermined.
    """

    finding: str
    ground: str
    verdict: str
    reason: str
    effect: Effect | None = None
    hypotheses: list[dict[str, Any]] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    needs: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Found:
    """A rule's answer before it is put in a judgement."""

    verdict: str
    reason: str
    effect: Effect | None = None
    hypotheses: list[tuple[str, Comparison]] = field(default_factory=list)
    used: pd.DataFrame | None = None
    seeds: bool = False  # more of them would test it


@dataclass(frozen=True)
class _Ground:
    """What a rule looks at: outcomes of one ground, family and size of each model, and how to resample."""

    outcomes: pd.DataFrame
    sizes: Mapping[str, tuple[str, float]]
    resamples: int
    seed: int

    def pooled(self, pairs: pd.DataFrame) -> Comparison:
        return comparisons.pooled(pairs, self.resamples, self.seed)

    def trained(self, pairs: pd.DataFrame) -> tuple[Comparison, bool]:
        """Comparison of what was trained, and whether it can be one of these adapters only."""
        result = self.pooled(pairs)
        found = comparisons.of_recipes(result, pairs)
        return (result, True) if found is None else (found, False)


def judge(
    outcomes: pd.DataFrame,
    findings: Mapping[str, Any],
    sizes: Mapping[str, tuple[str, float]],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Judgement]:
    """Judge every finding on real landscapes and on simulated ones.

    Args:
        outcomes: columns cell, model, recipe, trained_on ("" for zero-shot), landscape, simulated, query_view,
            document_view, dimensions (0: all), variant, fold, seed, system, task, scope, metric, query_id, split, value.
        findings: id -> entry of `registry.grid.Finding`.
        sizes: model -> its family and parameters.
        resamples: of every interval and test.
        seed: of both.

    Returns:
        For each finding, in order, one judgement on each ground.
    """
    out = []
    for name, finding in findings.items():
        for ground, simulated in (("real", False), ("simulated", True)):
            rows = comparisons.one_ground(outcomes[outcomes["simulated"] == simulated])
            if rows.empty:
                out.append(Judgement(name, ground, NOT_TESTED, f"No cell is scored on a {ground} landscape.", needs=finding.cells))  # fmt: skip
            elif simulated and finding.plant is None:
                out.append(Judgement(name, ground, NOT_TESTED, "Simulated landscapes plant nothing of the kind."))
            else:
                found = _RULES[finding.rule](finding, _Ground(rows, sizes, resamples, seed))
                out.append(_judgement(name, ground, finding, found))
    return out


def _judgement(name: str, ground: str, finding: Any, found: _Found) -> Judgement:
    adjusted = comparisons.adjusted([result for _, result in found.hypotheses])
    hypotheses = [
        {"hypothesis": text, "difference": result.difference, "low": result.low, "high": result.high, "p": result.p,
         "p_holm": p, "effect": result.effect, "n": result.n}
        for (text, result), p in zip(found.hypotheses, adjusted, strict=True)
    ]  # fmt: skip
    found = _enough(found)
    cells = sorted(set(found.used["cell"])) if found.used is not None and "cell" in found.used else []
    needs = finding.cells if found.verdict in (NOT_TESTED, UNDETERMINED) else {}
    if found.seeds:
        needs = {**needs, "finetune.seed": [0, 1, 2]}
    verdict = PLANTED.get(found.verdict, found.verdict) if ground == "simulated" else found.verdict
    return Judgement(name, ground, verdict, found.reason, found.effect, hypotheses, cells, needs)


def _enough(found: _Found) -> _Found:
    """Nothing is decided by fewer than `contrasts.FEWEST` units, and their interval would be far too narrow."""
    effect = found.effect
    if effect is None or effect.n >= comparisons.FEWEST:
        return found
    found = replace(found, effect=replace(effect, low=math.nan, high=math.nan))
    if found.verdict not in (SUPPORTED, CONTRADICTED):
        return found
    return replace(found, verdict=UNDETERMINED, reason=FEW)


def _of_adapters(found: _Found, alone: bool) -> _Found:
    """What was found, where some of it is of adapters `alone`: their luck in training is not told from their recipes."""
    if not alone or found.verdict not in (SUPPORTED, CONTRADICTED):
        return found
    reason = (
        f"Of these adapters: {found.reason} Of one training seed on few folds, they do not say so of their recipes."
    )
    return replace(found, verdict=UNDETERMINED, reason=reason, seeds=True)


def _best(finding: entries.Best, ground: _Ground) -> _Found:
    rows = comparisons.units(ground.outcomes, finding.task)
    if finding.vary == "recipe":
        rows, varied = comparisons.usual(comparisons.at_home(rows)), TRAINING
        side = {name: rows[rows["recipe"] == name] for name in (finding.candidate, *finding.rivals)}
    else:
        same = rows[
            (rows["recipe"] == "zero-shot") & (rows["dimensions"] == 0) & (rows["query_view"] == rows["document_view"])
        ]
        same, varied = comparisons.one_variant(same), VIEWS
        side = {name: same[same["query_view"] == name] for name in (finding.candidate, *finding.rivals)}
    compared = {}
    alone = False
    for rival in finding.rivals:
        pairs = comparisons.paired(side[finding.candidate], side[rival], varied)
        if len(pairs):
            compared[rival], lone = ground.trained(pairs)
            alone |= lone
    if not compared:
        return _Found(NOT_TESTED, f"No cells with {finding.candidate} and a rival on the same queries.")
    hypotheses = [(f"{finding.candidate} - {rival}", result) for rival, result in compared.items()]
    adjusted = dict(zip(compared, comparisons.adjusted(list(compared.values())), strict=True))
    closest = min(compared, key=lambda rival: compared[rival].difference)
    metric = comparisons.HEADLINE[finding.task][1]
    effect = _effect(f"{metric}, {finding.candidate} - {closest} (its closest rival)", compared[closest])
    found: dict[str, Any] = {"effect": effect, "hypotheses": hypotheses, "used": _cells(ground, side.values())}
    worse = [rival for rival in compared if adjusted[rival] < LEVEL and compared[rival].difference < 0]
    missing = [rival for rival in finding.rivals if rival not in compared]
    if worse:
        return _of_adapters(_Found(CONTRADICTED, f"{finding.candidate} is significantly worse than {_list(worse)}.", **found), alone)  # fmt: skip
    if missing:
        return _Found(NOT_TESTED, f"No cells of {_list(missing)} to compare with.", **found)
    beaten = [rival for rival in compared if adjusted[rival] < LEVEL]
    if len(beaten) == len(compared):
        return _of_adapters(_Found(SUPPORTED, f"{finding.candidate} is significantly better than {_list(beaten)}.", **found), alone)  # fmt: skip
    left = [rival for rival in compared if rival not in beaten]
    return _Found(UNDETERMINED, f"The difference from {_list(left)} is not significant.", **found)


def _depends(finding: entries.Depends, ground: _Ground) -> _Found:
    compared: dict[tuple[str, str, str], Comparison] = {}
    reference: dict[tuple[str, str], float] = {}
    used = []
    alone = False
    for task in finding.tasks:
        rows = comparisons.usual(comparisons.at_home(comparisons.units(ground.outcomes, task)))
        side = {recipe: rows[rows["recipe"] == recipe] for recipe in finding.recipes}
        used += list(side.values())
        reference |= {(task, recipe): comparisons.score(part) for recipe, part in side.items() if len(part)}
        for a, b in itertools.combinations(finding.recipes, 2):
            pairs = comparisons.paired(side[a], side[b], TRAINING)
            if len(pairs):
                compared[task, a, b], lone = ground.trained(pairs)
                alone |= lone
    tasks = {task for task, _, _ in compared}
    if len(tasks) < 2:
        return _Found(NOT_TESTED, "Fewer than two tasks have two recipes on the same landscape.")
    hypotheses = [(f"{task}: {a} - {b}", result) for (task, a, b), result in compared.items()]
    sign = _signs(compared)
    reversals = [(a, b, s, t) for s, t in itertools.permutations(finding.tasks, 2)
                 for a, b in itertools.combinations(finding.recipes, 2)
                 if sign.get((s, a, b)) == 1 and sign.get((t, a, b)) == -1]  # fmt: skip
    widest = max(compared, key=lambda key: abs(compared[key].difference))
    if reversals:
        # The strongest reversal is the one whose weaker side is largest.
        a, b, s, t = max(reversals, key=lambda r: min(abs(compared[r[2], r[0], r[1]].difference), abs(compared[r[3], r[0], r[1]].difference)))  # fmt: skip
        effect = _effect(f"{comparisons.HEADLINE[t][1]}, {b} - {a} ({t})", comparisons.reversed_(compared[t, a, b]))
        found_ = _Found(SUPPORTED, f"{a} is significantly better than {b} on {s}, and worse on {t}.", effect, hypotheses, _cells(ground, used))  # fmt: skip
        return _of_adapters(found_, alone)
    at, a, b = widest
    found: dict[str, Any] = {"effect": _effect(f"{comparisons.HEADLINE[at][1]}, {a} - {b} ({at}), the widest difference", compared[widest]),
             "hypotheses": hypotheses, "used": _cells(ground, used)}  # fmt: skip
    complete = len(compared) == len(finding.tasks) * len(list(itertools.combinations(finding.recipes, 2)))
    if not complete:
        return _Found(NOT_TESTED, "No recipe pair is reversed so far, and not every recipe has cells for every task.", **found)  # fmt: skip
    for recipe in finding.recipes:
        if all(_not_inferior(recipe, key, result, reference, finding.margin) for key, result in compared.items()):
            return _of_adapters(_Found(CONTRADICTED, f"{recipe} is not inferior to any other recipe on any task.", **found), alone)  # fmt: skip
    return _Found(UNDETERMINED, "No pair of recipes is significantly reversed, none is shown best throughout.", **found)


def _not_inferior(
    recipe: str, key: tuple[str, str, str], result: Comparison, reference: Mapping[tuple[str, str], float], margin: float
) -> bool:  # fmt: skip
    task, a, b = key
    if recipe not in (a, b):
        return True
    low, rival = (result.low, b) if recipe == a else (-result.high, a)
    return low > -margin * reference[task, rival]


def _harm(finding: entries.Harm, ground: _Ground) -> _Found:
    rows = comparisons.usual(comparisons.units(ground.outcomes, finding.task))
    tuned = rows[(rows["trained_on"] != "") & (rows["trained_on"] != rows["landscape"])]
    pairs = comparisons.paired(tuned, rows[rows["recipe"] == "zero-shot"], TRAINING)
    if pairs.empty:
        return _Found(NOT_TESTED, "No tuned cell is scored on a landscape other than its own, beside its zero-shot model.")  # fmt: skip
    compared, safe, alone = [], [], []
    for key, part in pairs.groupby(["model", "recipe", "trained_on", "landscape"], observed=True):
        result, lone = ground.trained(part)
        alone.append(lone)
        model, recipe, home, abroad = map(str, key)
        compared.append((f"{model} {recipe} {home} on {abroad} - zero-shot", result))
        zero_shot = part["numerator_second"].sum() / part["denominator_second"].sum()
        safe.append(result.low > -finding.margin * zero_shot)
    total = len(compared)
    adjusted = comparisons.adjusted([result for _, result in compared])
    worse = [p < LEVEL and result.difference < 0 for (_, result), p in zip(compared, adjusted, strict=True)]
    harmed, harmless = sum(worse), sum(safe)
    open_ = total - sum(a or b for a, b in zip(worse, safe, strict=True))
    both = harmed + harmless + open_ - total
    reason = (
        f"Of {total} comparisons {harmed} show harm, {harmless} show none beyond {finding.margin:.0%}"
        f"{f' ({both} of them a smaller harm)' if both else ''}, {open_} are open."
    )
    if harmed > finding.share * total:
        verdict = SUPPORTED
    elif harmless >= (1 - finding.share) * total:
        verdict = CONTRADICTED
    else:
        verdict = UNDETERMINED
    if sum(alone) and total > 1:
        reason += f" {sum(alone)} of them are of these adapters, with one training seed."
    effect = _relative(pairs, ground, "relative change abroad, tuned - zero-shot, all together")
    found = _Found(verdict, reason, effect, compared, _cells(ground, [tuned, rows[rows["recipe"] == "zero-shot"]]))
    # Adapters of many comparisons have their luck apart, and one of them alone decides nothing.
    return _of_adapters(found, total == 1 and alone[0])


def _strength(finding: entries.Strength, ground: _Ground) -> _Found:
    """Slope over models of relative change abroad against zero-shot score at home, mean over homes and recipes.

    Strength is taken at home, where no unit of the change abroad is: regression to the mean cannot make a slope.
    The interval resamples units, each landscape once for all homes; whether it holds beyond these models, an exact
    permutation of the models says.
    """

    rows = comparisons.usual(comparisons.units(ground.outcomes, finding.task))
    zero = rows[rows["recipe"] == "zero-shot"]
    tuned = rows[(rows["trained_on"] != "") & (rows["trained_on"] != rows["landscape"])]
    pairs = comparisons.paired(tuned, zero, TRAINING)
    trained = {str(model): set(zip(part["trained_on"], part["recipe"], strict=True)) for model, part in pairs.groupby("model", observed=True)}  # fmt: skip
    models = sorted(set(trained) & set(zero["model"]))
    shared = sorted(set.intersection(*(trained[model] for model in models))) if models else []
    if len(models) < finding.models or not shared:
        return _Found(NOT_TESTED, f"Fewer than {finding.models} models are tuned with one recipe on one landscape and scored on another.")  # fmt: skip
    columns = {}
    for home, recipe in shared:
        here = zero[zero["landscape"] == home].pivot_table(index=UNIT, columns="model", values="numerator")
        ours = pairs[(pairs["trained_on"] == home) & (pairs["recipe"] == recipe)]
        there = ours.pivot_table(index=UNIT, columns="model", values=["numerator_first", "numerator_second"])
        here, there = here.reindex(columns=models).dropna(), there.dropna()
        if here.empty or there.empty:
            return _Found(NOT_TESTED, f"The models share no test query of {home} or of a landscape other than it.")
        if min(len(here), len(there)) < comparisons.FEWEST:
            return _Found(UNDETERMINED, f"The models share fewer than {comparisons.FEWEST} test queries of {home} or of a landscape other than it.")  # fmt: skip
        columns[home, recipe] = (here, there["numerator_first"][models], there["numerator_second"][models])
    drawn = _resampled([frame for triple in columns.values() for frame in triple], ground)
    triples = list(zip(drawn[::3], drawn[1::3], drawn[2::3], strict=True))
    used = _cells(ground, [tuned, zero])
    if not all(before.all() for _, _, before in triples):
        return _Found(UNDETERMINED, "Abroad so few queries have a hit that some draws of them have none: there is nothing to lose.", used=used)  # fmt: skip
    low, high = statistics.percentiles(np.mean([_slope(here, after / before - 1) for here, after, before in triples], axis=0))  # fmt: skip
    measured = [[frame.mean().to_numpy() for frame in triple] for triple in columns.values()]

    def slope(order: Floats) -> float:
        return float(np.mean([_slope(here[None, order.astype(int)], (after / before - 1)[None])[0] for here, after, before in measured]))  # fmt: skip

    found = permutation_test(
        (np.arange(len(models)),), slope, permutation_type="pairings", vectorized=False, n_resamples=ground.resamples,
        rng=np.random.default_rng(ground.seed),
    )  # fmt: skip
    value = float(found.statistic)
    effect = Effect(
        f"relative change abroad for each .01 of zero-shot nDCG@10 at home, {len(models)} models", value / 100, float(low) / 100,
        float(high) / 100, sum(len(after) for _, after, _ in columns.values()),
    )  # fmt: skip
    tested = f"p over the order of {len(models)} models {float(found.pvalue):.3f}"
    if low <= 0 <= high:
        return _Found(UNDETERMINED, f"The interval of the slope holds 0 ({tested}).", effect, used=used)
    if found.pvalue >= LEVEL:
        return _Found(UNDETERMINED, f"The slope differs from 0 for these models, and could be chance among others ({tested}).", effect, used=used)  # fmt: skip
    if value < 0:
        return _Found(SUPPORTED, f"Stronger models lose more abroad ({tested}).", effect, used=used)
    return _Found(CONTRADICTED, f"Stronger models lose less abroad ({tested}).", effect, used=used)


def _resampled(frames: list[pd.DataFrame], ground: _Ground) -> list[Floats]:
    """Means [resamples, columns] of frames over units, a unit's weight the same wherever it stands."""

    every = pd.concat(frames).index.unique().sort_values()
    sums = [np.zeros((ground.resamples, frame.shape[1] + 1)) for frame in frames]
    for number, landscape in enumerate(every.unique("landscape")):
        units = every[every.get_level_values("landscape") == landscape]
        # The last column counts how often the units of the frame were drawn.
        tables = [np.nan_to_num(frame.assign(drawn=1.0).reindex(units).to_numpy(dtype=float)) for frame in frames]
        start = 0
        for weights in statistics.draws(len(units), ground.resamples, ground.seed + number):
            for total, table in zip(sums, tables, strict=True):
                total[start : start + len(weights)] += weights @ table
            start += len(weights)
    return [total[:, :-1] / total[:, -1:] for total in sums]


def _slope(x: Floats, y: Floats) -> Floats:
    """Least-squares slope of each row [resamples, models]."""

    centred = x - x.mean(axis=1, keepdims=True)
    return np.asarray((centred * y).sum(axis=1) / (centred**2).sum(axis=1))


def _inside_outside(ground: _Ground, system: str) -> pd.DataFrame:
    """Zero-shot IN and OUT outcomes [unit] of the same queries, averaged over models: columns `in`, `out`."""
    parts = {}
    for scope in ("in", "out"):
        rows = comparisons.usual(comparisons.units(ground.outcomes, "retrieval", system, f"{scope}-paired"))
        rows = rows[rows["recipe"] == "zero-shot"]
        parts[scope] = rows.groupby([*UNIT, "model"], observed=True)["numerator"].mean()
    both = parts["in"].to_frame("in").join(parts["out"].to_frame("out"), how="inner")
    return both.groupby(level=UNIT, observed=True).mean()


def _gap(finding: entries.Gap, ground: _Ground) -> _Found:
    both = _inside_outside(ground, "dense")
    if both.empty or both["in"].sum() == 0:
        return _Found(NOT_TESTED, "No zero-shot cell has test queries with relevant families both IN and OUT.")
    low, high = comparisons.loss_interval(both.to_numpy(), ground.resamples, ground.seed)
    value = 1 - both["out"].sum() / both["in"].sum()
    effect = Effect("relative loss of nDCG@10 from IN to OUT, dense", float(value), low, high, len(both))
    return _banded(effect, finding.band, _zero_shot(ground))


def _remains(finding: entries.Closed, ground: _Ground) -> _Found:

    dense, fused = _inside_outside(ground, "dense"), _inside_outside(ground, finding.system)
    both = dense.join(fused.add_suffix(" fused"), how="inner")
    if both.empty or both["in"].sum() == 0:
        return _Found(NOT_TESTED, "No zero-shot cell has fused results for queries with relevant families IN and OUT.")

    def excess(sums: Floats) -> Floats:
        return comparisons.loss(sums[:, 2:]) - finding.share * comparisons.loss(sums[:, :2])

    table = both.to_numpy()
    low, high = statistics.bootstrap(table, excess, ground.resamples, ground.seed)
    total = table.sum(axis=0)[None]
    effect = Effect(
        f"relative loss after {finding.system} less {finding.share:.0%} of the dense one",
        float(excess(total)[0]), low, high, len(both),
    )  # fmt: skip
    before, after = float(comparisons.loss(total[:, :2])[0]), float(comparisons.loss(total[:, 2:])[0])
    reason = f"Relative loss from IN to OUT: {before:.0%} dense, {after:.0%} after {finding.system}."
    if len(both) < comparisons.FEWEST:
        return _Found(UNDETERMINED, f"{reason} {FEW}", effect, used=_zero_shot(ground))
    gap_low, gap_high = comparisons.loss_interval(table[:, :2], ground.resamples, ground.seed)
    if not gap_low > 0:
        return _Found(UNDETERMINED, f"{reason} No gap is shown that could be closed: the interval of the dense one is {gap_low:.0%} to {gap_high:.0%}.", effect, used=_zero_shot(ground))  # fmt: skip
    verdict = SUPPORTED if low > 0 else CONTRADICTED if high < 0 else UNDETERMINED
    return _Found(verdict, reason, effect, used=_zero_shot(ground))


def _gain(finding: entries.Gain, ground: _Ground) -> _Found:
    sides = []
    for system in (finding.system, "dense"):
        rows = comparisons.usual(comparisons.units(ground.outcomes, "retrieval", system))
        sides.append(rows[rows["recipe"] == "zero-shot"])
    pairs = comparisons.paired(sides[0], sides[1], [])
    if pairs.empty:
        return _Found(NOT_TESTED, f"No zero-shot cell has {finding.system} beside dense.")
    result = ground.pooled(pairs)
    effect = _effect(f"nDCG@10, {finding.system} - dense", result)
    return _banded(effect, finding.band, _zero_shot(ground), [(f"{finding.system} - dense", result)])


def _banded(
    effect: Effect, band: tuple[float, float], used: pd.DataFrame, hypotheses: list[tuple[str, Comparison]] | None = None
) -> _Found:  # fmt: skip
    low, high = band
    where = f"the band of {low:g} to {high:g}"
    if effect.n < comparisons.FEWEST:
        return _Found(UNDETERMINED, FEW, effect, hypotheses or [], used)
    if low < effect.low and effect.high <= high:
        return _Found(SUPPORTED, f"The interval lies within {where}.", effect, hypotheses or [], used)
    if effect.high < low or effect.low > high:
        return _Found(CONTRADICTED, f"The interval lies outside {where}.", effect, hypotheses or [], used)
    return _Found(UNDETERMINED, f"The interval crosses an end of {where}.", effect, hypotheses or [], used)


def _models(finding: Any, ground: _Ground) -> tuple[dict[str, pd.DataFrame], list[tuple[str, str]]]:
    """Zero-shot rows of each model, and every pair (smaller, larger) that shares units."""
    rows = comparisons.usual(comparisons.units(ground.outcomes, finding.task))
    rows = rows[rows["recipe"] == "zero-shot"]
    side = {str(name): part for name, part in rows.groupby("model", observed=True)}
    ordered = sorted((name for name in side if name in ground.sizes), key=lambda name: (ground.sizes[name][1], name))
    pairs = [(a, b) for a, b in itertools.combinations(ordered, 2) if ground.sizes[a][1] < ground.sizes[b][1]]
    return side, pairs


def _monotone(finding: entries.Monotone, ground: _Ground) -> _Found:
    side, pairs = _models(finding, ground)
    within = [(a, b) for a, b in pairs if ground.sizes[a][0] == ground.sizes[b][0]]
    # The next larger only: nothing of the family between the two.
    steps = [(a, b) for a, b in within if not any((a, c) in within and (c, b) in within for c in side)]
    compared = _sized(side, steps, ground)
    if not compared:
        return _Found(NOT_TESTED, "No two models of one family differ in size.")
    hypotheses = [(f"{b} - {a}", result) for (a, b), result in compared.items()]
    signs = _signs(compared)
    worst = min(
        [pair for pair in compared if signs[pair] == -1] or compared, key=lambda pair: compared[pair].difference
    )
    effect = _effect(f"{comparisons.HEADLINE[finding.task][1]}, {worst[1]} - {worst[0]} (the smallest step)", compared[worst])  # fmt: skip
    found: dict[str, Any] = {"effect": effect, "hypotheses": hypotheses, "used": _cells(ground, side.values())}
    if -1 in signs.values():
        return _Found(CONTRADICTED, f"{worst[1]} is significantly worse than the smaller {worst[0]}.", **found)
    if all(sign == 1 for sign in signs.values()):
        return _Found(SUPPORTED, "Every next larger model is significantly better.", **found)
    return _Found(UNDETERMINED, f"{list(signs.values()).count(0)} of {len(signs)} steps are not significant.", **found)


def _inversion(finding: entries.Inversion, ground: _Ground) -> _Found:
    side, pairs = _models(finding, ground)
    across = [(a, b) for a, b in pairs if ground.sizes[a][0] != ground.sizes[b][0]]
    compared = _sized(side, across, ground)
    if not compared:
        return _Found(NOT_TESTED, "No two models of different families and sizes.")
    hypotheses = [(f"{b} - {a}", result) for (a, b), result in compared.items()]
    signs = _signs(compared)
    worst = min(
        [pair for pair in compared if signs[pair] == -1] or compared, key=lambda pair: compared[pair].difference
    )
    effect = _effect(f"{comparisons.HEADLINE[finding.task][1]}, {worst[1]} - {worst[0]} (the widest inversion)", compared[worst])  # fmt: skip
    found: dict[str, Any] = {"effect": effect, "hypotheses": hypotheses, "used": _cells(ground, side.values())}
    if -1 in signs.values():
        return _Found(SUPPORTED, f"{worst[0]} is significantly better than the larger {worst[1]}.", **found)
    if all(sign == 1 for sign in signs.values()):
        return _Found(CONTRADICTED, "Every larger model is significantly better, whatever its family.", **found)
    return _Found(UNDETERMINED, f"{list(signs.values()).count(0)} of {len(signs)} pairs are not significant, none is inverted.", **found)  # fmt: skip


def _sized(side: Mapping[str, pd.DataFrame], steps: list[tuple[str, str]], ground: _Ground) -> dict[tuple[str, str], Comparison]:  # fmt: skip
    """Larger minus smaller, for each pair (smaller, larger) that shares units."""
    matched = {(a, b): comparisons.paired(side[b], side[a], ["model"]) for a, b in steps}
    return {step: ground.pooled(pairs) for step, pairs in matched.items() if len(pairs)}


def _signs(compared: Mapping[Key, Comparison]) -> dict[Key, int]:
    """1 or -1 where a comparison is significant after Holm over all of them, 0 where it is not."""
    adjusted = comparisons.adjusted(list(compared.values()))
    return {key: (1 if result.difference > 0 else -1) * (p < LEVEL) for (key, result), p in zip(compared.items(), adjusted, strict=True)}  # fmt: skip


def _relative(pairs: pd.DataFrame, ground: _Ground, what: str) -> Effect:
    table = pairs.groupby(UNIT, observed=True)[["numerator_first", "numerator_second"]].mean().to_numpy(dtype=float)

    low, high = comparisons.loss_interval(table[:, ::-1], ground.resamples, ground.seed)
    value = -float(comparisons.loss(table[:, ::-1].sum(axis=0)[None])[0])
    return Effect(what, value, -high, -low, len(table))


def _effect(what: str, result: Comparison) -> Effect:
    return Effect(what, result.difference, result.low, result.high, result.n)


def _zero_shot(ground: _Ground) -> pd.DataFrame:
    return ground.outcomes[ground.outcomes["recipe"] == "zero-shot"]


def _cells(ground: _Ground, parts: Any) -> pd.DataFrame:
    """The outcomes of the cells that rows of `units` came from."""

    used = pd.concat([part[[*CONFIG, "landscape"]] for part in parts]).drop_duplicates()
    cells = ground.outcomes[["cell", *CONFIG, "landscape"]].drop_duplicates()
    return cells.merge(used, on=[*CONFIG, "landscape"])


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


_RULES: dict[str, Callable[[Any, _Ground], _Found]] = {
    "best": _best,
    "depends": _depends,
    "harm": _harm,
    "strength": _strength,
    "gap": _gap,
    "remains": _remains,
    "gain": _gain,
    "monotone": _monotone,
    "inversion": _inversion,
}


def command(judgement: Judgement) -> str:
    """What computes the cells that would test a finding; "" where it needs none."""
    if not judgement.needs:
        return ""
    needs = dict(judgement.needs)
    if judgement.ground == "real" and not judgement.cells and "landscape" not in needs:
        needs["landscape"] = ["ANY"]
    axes = [f"-S {key}={_ids(values)}" for key, values in needs.items()]
    if judgement.ground == "real" and "landscape" in needs:
        axes.append(f"-S 'evaluate_on=[{_ids(needs['landscape'])}]'")
    folds = ["-S tasks.fold=0,1,2,3,4"] if judgement.verdict == "undetermined" else []
    return " ".join(["python -m stages.grid run", *axes, *folds])


def _ids(values: Sequence[Any]) -> str:
    return ",".join("ID" if value == "ANY" else str(value) for value in values)
