"""Out-of-domain retrieval under every option and system, on the queries that have both scopes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from patent_embeddings.evaluation import statistics
from patent_embeddings.grid.intervals import FEWEST, lost
from studies.robust.changes import Floats, sensitivity
from studies.robust.record import CELL, LEGS, OPTIONS, SYSTEMS, UNIT, at_home

TESTED = 10_000  # resamples of intervals and tests
KEY = [*CELL, "system"]


def out_of_domain(rows: pd.DataFrame, resamples: int = TESTED, seed: int = 0) -> pd.DataFrame:
    """OUT nDCG@10 of every option under every system, against the zero-shot dense run.

    Args:
        rows: of the record, one ground.
        resamples: of every interval and test.
        seed: of both.

    Returns:
        `KEY`; `value` and `gap`, the relative loss from IN to OUT, with `_low` and `_high`; `change` with its bounds,
        `p`, `p_holm` (Holm over the table) and the change that would have been `detectable` at 5 % with a power of
        80 %; `times`, the ratio to the better zero-shot leg; `n`. Two rows are oracles, which are not tested: for each
        query the best of both legs, and of all rows that have every query.
    """
    inside, outside = (_wide(rows, scope) for scope in ("in-paired", "out-paired"))
    plain = {system: ("zero-shot", *OPTIONS.values(), system) for system in LEGS}
    base = plain["dense"]
    if base not in outside:
        return pd.DataFrame()
    within = inside.reindex(index=outside.index, columns=outside.columns)
    legs = [leg for leg in plain.values() if leg in outside]
    found = []
    keys: list[Any] = list(outside.columns)
    for key in keys:
        common = outside[key].notna() & outside[base].notna() & within[key].notna()
        if common.sum() >= FEWEST:
            value, zero = (outside.loc[common, name].to_numpy(dtype=float) for name in (key, base))
            leg = max(float(outside.loc[common, [name]].to_numpy().mean()) for name in legs)
            row = dict(zip(KEY, key, strict=True)) | _scores(value, within.loc[common, key].to_numpy(dtype=float), leg)
            found.append(row | (_change(value, zero, resamples, seed) if key != base else {}))
    asked = outside[outside[base].notna()]
    whole = [key for key in keys if asked[key].notna().all()]
    for name, chosen_from in (("the legs", legs), ("all rows", whole)):
        complete = asked[chosen_from].dropna()
        if len(complete) >= FEWEST:
            chosen = complete.max(axis=1).to_numpy(dtype=float)
            oracle = {"recipe": f"oracle of {name}", **OPTIONS, "system": "the best of each query"}
            found.append(oracle | _interval(chosen) | {"times": chosen.mean() / complete[legs].mean().max()})
    table = pd.DataFrame(found)
    tested = table["p"].notna()
    table.loc[tested, "p_holm"] = statistics.holm(table.loc[tested, "p"].to_numpy())
    return table


def _wide(rows: pd.DataFrame, scope: str) -> pd.DataFrame:
    """Outcomes [unit, cell and system]."""
    parts = [at_home(rows, system, scope).assign(system=system) for system in SYSTEMS]
    return pd.concat(parts, ignore_index=True).pivot_table(index=UNIT, columns=KEY, values="value")


def _scores(out: Floats, within: Floats, leg: float) -> dict[str, Any]:
    gap, low, high = lost(np.column_stack([within, out]), TESTED, 0)
    gaps = {"gap": gap, "gap_low": low, "gap_high": high}
    return _interval(out) | gaps | {"times": float(out.mean() / leg) if leg else np.nan}


def _interval(values: Floats) -> dict[str, Any]:
    low, high = statistics.mean_interval(values)
    return {"value": float(values.mean()), "low": float(low), "high": float(high), "n": len(values)}


def _change(value: Floats, zero: Floats, resamples: int, seed: int) -> dict[str, float]:
    found = statistics.compare(value, zero, resamples, seed)
    bounds = {"change_low": found.low, "change_high": found.high}
    return {"change": found.difference, **bounds, "p": found.p, "detectable": detectable(value - zero)}


def detectable(differences: Floats) -> float:
    """Smallest mean difference that a two-sided test at 5 % finds with a power of 80 %, by the normal approximation.

    (z(.975) + z(.8)) times the standard error of the paired differences (Cohen, 1988).
    """
    return float(sensitivity() * differences.std(ddof=1) / np.sqrt(len(differences)))
