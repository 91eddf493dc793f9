"""Rules about the effect of fine-tuning out of domain, on landscapes not trained on."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import permutation_test

from patent_embeddings.core.arrays import Doubles
from patent_embeddings.evaluation import statistics
from patent_embeddings.grid import entries
from patent_embeddings.grid.comparisons import adjusted
from patent_embeddings.grid.intervals import ALPHA, FEWEST, lost
from patent_embeddings.grid.rules.evidence import TRAINING, Effect, Found, Ground, Verdict, of_adapters, used_by
from patent_embeddings.grid.units import UNIT, abroad, described, groups, paired, units, usual, zero_shot


def harm(finding: entries.Harm, ground: Ground) -> Found:
    """Compare every fine-tuned cell with its zero-shot cell on every landscape that it was not trained on."""
    rows = usual(units(ground.outcomes, finding.task))
    tuned, zero = abroad(rows), zero_shot(rows)
    pairs = paired(tuned, zero, TRAINING)
    if pairs.empty:
        reason = "No fine-tuned cell is scored together with its zero-shot model on a landscape other than its home."
        return Found("not tested", reason)
    compared, safe, alone = [], [], []
    for (config, place), part in groups(pairs, "config", "landscape"):
        result, lone = ground.trained(part)
        alone.append(lone)
        compared.append((f"{' '.join(config.words[:3])} on {place} - zero-shot", result))
        reference = part["numerator_second"].sum() / part["denominator_second"].sum()
        safe.append(result.low > -finding.margin * reference)
    total = len(compared)
    chances = adjusted([result for _, result in compared])
    worse = [p < ALPHA and result.difference < 0 for (_, result), p in zip(compared, chances, strict=True)]
    harmed, harmless = sum(worse), sum(safe)
    open_ = total - sum(a or b for a, b in zip(worse, safe, strict=True))
    both = harmed + harmless + open_ - total
    reason = (
        f"Of {total} comparisons {harmed} show harm, {harmless} show none beyond {finding.margin:.0%}"
        f"{f' ({both} of them a smaller harm)' if both else ''}, {open_} are open."
    )
    tested: Verdict = "contradicted" if harmless >= (1 - finding.share) * total else "undetermined"
    verdict: Verdict = "supported" if harmed > finding.share * total else tested
    if sum(alone) and total > 1:
        reason += f" {sum(alone)} of them are of these adapters, with one training seed."
    effect = _relative(pairs, ground, "relative change abroad, fine-tuned - zero-shot, all together")
    found = Found(verdict, reason, effect, compared, used_by(ground, [tuned, zero]))
    # Adapters of many comparisons have their luck apart, and one of them alone decides nothing.
    return of_adapters(found, total == 1 and alone[0])


def strength(finding: entries.Strength, ground: Ground) -> Found:
    """Slope over models of the relative change out of domain against the zero-shot score in domain.

    The slope is averaged over training landscapes and recipes. The zero-shot score is taken in domain, on units that
    are not among those of the change: regression to the mean cannot produce a slope. The interval resamples units,
    each landscape once for all training landscapes. An exact permutation test over models tells whether the slope holds
    beyond these models.
    """
    rows = usual(units(ground.outcomes, finding.task))
    tuned, before = abroad(rows), zero_shot(rows)
    pairs, zero = described(paired(tuned, before, TRAINING)), described(before)
    trained = {
        str(model): set(zip(part["trained_on"], part["recipe"], strict=True))
        for model, part in pairs.groupby("model", observed=True)
    }
    models = sorted(set(trained) & set(zero["model"]))
    shared = sorted(set.intersection(*(trained[model] for model in models))) if models else []
    if len(models) < finding.models or not shared:
        reason = "models are fine-tuned with one recipe on one landscape and scored on another."
        return Found("not tested", f"Fewer than {finding.models} {reason}")
    columns = {}
    for home, recipe in shared:
        here = zero[zero["landscape"] == home].pivot_table(index=UNIT, columns="model", values="numerator")
        ours = pairs[(pairs["trained_on"] == home) & (pairs["recipe"] == recipe)]
        there = ours.pivot_table(index=UNIT, columns="model", values=["numerator_first", "numerator_second"])
        here, there = here.reindex(columns=models).dropna(), there.dropna()
        if here.empty or there.empty:
            return Found("not tested", f"The models share no test query of {home} or of a landscape other than it.")
        if min(len(here), len(there)) < FEWEST:
            reason = f"test queries of {home} or of a landscape other than it."
            return Found("undetermined", f"The models share fewer than {FEWEST} {reason}")
        columns[home, recipe] = (here, there["numerator_first"][models], there["numerator_second"][models])
    drawn = _resampled([frame for triple in columns.values() for frame in triple], ground)
    triples = list(zip(drawn[::3], drawn[1::3], drawn[2::3], strict=True))
    used = used_by(ground, [tuned, before])
    if not all(least.all() for _, _, least in triples):
        reason = "Abroad so few queries have a hit that some draws of them have none: there is nothing to lose."
        return Found("undetermined", reason, used=used)
    slopes = [_slope(here, after / least - 1) for here, after, least in triples]
    low, high = statistics.percentiles(np.mean(slopes, axis=0))
    measured = [[frame.mean().to_numpy() for frame in triple] for triple in columns.values()]

    def slope(order: Doubles) -> float:
        places = order.astype(int)
        return float(np.mean([_slope(x[None, places], (after / least - 1)[None])[0] for x, after, least in measured]))

    found = permutation_test(
        (np.arange(len(models)),),
        slope,
        permutation_type="pairings",
        vectorized=False,
        n_resamples=ground.resamples,
        rng=np.random.default_rng(ground.seed),
    )
    value = float(found.statistic)
    what = f"relative change abroad for each .01 of zero-shot nDCG@10 on the home landscape, {len(models)} models"
    n = sum(len(after) for _, after, _ in columns.values())
    effect = Effect(what, value / 100, float(low) / 100, float(high) / 100, n)
    tested = f"p over the order of {len(models)} models {float(found.pvalue):.3f}"
    if low <= 0 <= high:
        return Found("undetermined", f"The interval of the slope holds 0 ({tested}).", effect, used=used)
    if found.pvalue >= ALPHA:
        reason = f"The slope differs from 0 for these models, and could be chance among others ({tested})."
        return Found("undetermined", reason, effect, used=used)
    if value < 0:
        return Found("supported", f"Stronger models lose more abroad ({tested}).", effect, used=used)
    return Found("contradicted", f"Stronger models lose less abroad ({tested}).", effect, used=used)


def _resampled(frames: list[pd.DataFrame], ground: Ground) -> list[Doubles]:
    """Resampled means [resamples, columns] of frames over units; a unit has the same weight in every frame."""
    every = pd.concat(frames).index.unique().sort_values()
    sums = [np.zeros((ground.resamples, frame.shape[1] + 1)) for frame in frames]
    for number, landscape in enumerate(every.unique("landscape")):
        units = every[every.get_level_values("landscape") == landscape]
        # The last column counts the draws of the frame's units.
        tables = [np.nan_to_num(frame.assign(drawn=1.0).reindex(units).to_numpy(dtype=float)) for frame in frames]
        for total, table in zip(sums, tables, strict=True):
            total += statistics.resampled(table, ground.resamples, ground.seed + number)
    return [total[:, :-1] / total[:, -1:] for total in sums]


def _slope(x: Doubles, y: Doubles) -> Doubles:
    """Least-squares slope of each row [resamples, models]."""
    centred = x - x.mean(axis=1, keepdims=True)
    return np.asarray((centred * y).sum(axis=1) / (centred**2).sum(axis=1))


def _relative(pairs: pd.DataFrame, ground: Ground, what: str) -> Effect:
    table = pairs.groupby(UNIT, observed=True)[["numerator_first", "numerator_second"]].mean().to_numpy(dtype=float)
    loss, low, high = lost(table[:, ::-1], ground.resamples, ground.seed)
    return Effect(what, -loss, -high, -low, len(table))
