"""Rules about IN, OUT and fusion, for zero-shot models."""

from __future__ import annotations

import pandas as pd

from patent_embeddings.core.arrays import Doubles
from patent_embeddings.evaluation import statistics
from patent_embeddings.evaluation.statistics import Comparison
from patent_embeddings.grid import entries
from patent_embeddings.grid.intervals import FEWEST, loss, lost
from patent_embeddings.grid.rules.evidence import FEW, Effect, Found, Ground, Verdict, sized
from patent_embeddings.grid.units import UNIT, described, paired, units, usual, zero_shot


def _inside_outside(ground: Ground, system: str) -> pd.DataFrame:
    """Zero-shot outcomes of the same queries IN and OUT, averaged over models: columns `in`, `out`, a row a unit."""
    parts = {}
    for scope in ("in", "out"):
        rows = described(zero_shot(usual(units(ground.outcomes, "retrieval", system, f"{scope}-paired"))))
        parts[scope] = rows.groupby([*UNIT, "model"], observed=True)["numerator"].mean()
    both = parts["in"].to_frame("in").join(parts["out"].to_frame("out"), how="inner")
    return both.groupby(level=UNIT, observed=True).mean()


def gap(finding: entries.Gap, ground: Ground) -> Found:
    """Compare the relative loss of the dense run from IN to OUT with a band."""
    both = _inside_outside(ground, "dense")
    if both.empty or both["in"].sum() == 0:
        return Found("not tested", "No zero-shot cell has test queries with relevant families both IN and OUT.")
    value, low, high = lost(both.to_numpy(), ground.resamples, ground.seed)
    effect = Effect("relative loss of nDCG@10 from IN to OUT, dense", value, low, high, len(both))
    return _banded(effect, finding.band, zero_shot(ground.outcomes), [])


def remains(finding: entries.Closed, ground: Ground) -> Found:
    """Compare the loss from IN to OUT after fusion with a share of that of the dense run."""
    dense, fused = _inside_outside(ground, "dense"), _inside_outside(ground, finding.system)
    both = dense.join(fused.add_suffix(" fused"), how="inner")
    if both.empty or both["in"].sum() == 0:
        return Found("not tested", "No zero-shot cell has fused results for queries with relevant families IN and OUT.")

    def excess(sums: Doubles) -> Doubles:
        return loss(sums[:, 2:]) - finding.share * loss(sums[:, :2])

    table = both.to_numpy()
    low, high = statistics.bootstrap(table, excess, ground.resamples, ground.seed)
    total = table.sum(axis=0)[None]
    what = f"relative loss after {finding.system} less {finding.share:.0%} of the dense one"
    effect = Effect(what, float(excess(total)[0]), low, high, len(both))
    before, gap_low, gap_high = lost(table[:, :2], ground.resamples, ground.seed)
    after = float(loss(total[:, 2:])[0])
    reason = f"Relative loss from IN to OUT: {before:.0%} dense, {after:.0%} after {finding.system}."
    if len(both) < FEWEST:
        return Found("undetermined", f"{reason} {FEW}", effect, used=zero_shot(ground.outcomes))
    if not gap_low > 0:
        lacking = f"the interval of the dense one is {gap_low:.0%} to {gap_high:.0%}."
        reason += f" No gap is shown that could be closed: {lacking}"
        return Found("undetermined", reason, effect, used=zero_shot(ground.outcomes))
    verdict: Verdict = "supported" if low > 0 else "contradicted" if high < 0 else "undetermined"
    return Found(verdict, reason, effect, used=zero_shot(ground.outcomes))


def gain(finding: entries.Gain, ground: Ground) -> Found:
    """Compare the gain of a fusion over the dense run with a band."""
    systems = (finding.system, "dense")
    fused, dense = (zero_shot(usual(units(ground.outcomes, "retrieval", system))) for system in systems)
    pairs = paired(fused, dense, [])
    if pairs.empty:
        return Found("not tested", f"No zero-shot cell has both dense and {finding.system}.")
    result = ground.pooled(pairs)
    effect = sized(f"nDCG@10, {finding.system} - dense", result)
    return _banded(effect, finding.band, zero_shot(ground.outcomes), [(f"{finding.system} - dense", result)])


def _banded(
    effect: Effect, band: tuple[float, float], used: pd.DataFrame, hypotheses: list[tuple[str, Comparison]]
) -> Found:
    low, high = band
    where = f"the band of {low:g} to {high:g}"
    verdict: Verdict = "undetermined"
    reason = f"The interval crosses an end of {where}."
    if effect.n < FEWEST:
        reason = FEW
    elif low < effect.low and effect.high <= high:
        verdict, reason = "supported", f"The interval lies within {where}."
    elif effect.high < low or effect.low > high:
        verdict, reason = "contradicted", f"The interval lies outside {where}."
    return Found(verdict, reason, effect, hypotheses, used)
