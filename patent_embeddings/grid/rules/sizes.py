"""Rules about the size of models, zero-shot."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from patent_embeddings.evaluation.systems import LEADING
from patent_embeddings.grid.entries import Size
from patent_embeddings.grid.rules.evidence import Found, Ground, apart, signs_of, sized, used_by
from patent_embeddings.grid.units import paired, units, usual, zero_shot


def monotone(finding: Size, ground: Ground) -> Found:
    """Compare every model with the next larger one of its family."""
    side, pairs = _models(finding, ground)
    within = [(a, b) for a, b in pairs if ground.sizes[a][0] == ground.sizes[b][0]]
    # Only the next larger one: no model of the family lies between the two.
    steps = [(a, b) for a, b in within if not any((a, c) in within and (c, b) in within for c in side)]
    signs, worst, found = _compared(finding, ground, side, steps, "the smallest step")
    if not signs:
        return Found("not tested", "No two models of one family differ in size.")
    if -1 in signs:
        return Found("contradicted", f"{worst[1]} is significantly worse than the smaller {worst[0]}.", **found)
    if 0 not in signs:
        return Found("supported", "Every next larger model is significantly better.", **found)
    return Found("undetermined", f"{signs.count(0)} of {len(signs)} steps are not significant.", **found)


def inversion(finding: Size, ground: Ground) -> Found:
    """Compare every model with every larger one of another family."""
    side, pairs = _models(finding, ground)
    across = [(a, b) for a, b in pairs if ground.sizes[a][0] != ground.sizes[b][0]]
    signs, worst, found = _compared(finding, ground, side, across, "the widest inversion")
    if not signs:
        return Found("not tested", "No two models of different families and sizes.")
    if -1 in signs:
        return Found("supported", f"{worst[0]} is significantly better than the larger {worst[1]}.", **found)
    if 0 not in signs:
        return Found("contradicted", "Every larger model is significantly better, whatever its family.", **found)
    reason = f"{signs.count(0)} of {len(signs)} pairs are not significant, none is inverted."
    return Found("undetermined", reason, **found)


def _models(finding: Size, ground: Ground) -> tuple[dict[str, pd.DataFrame], list[tuple[str, str]]]:
    """Zero-shot rows of each model, and every pair (smaller, larger) that shares units."""
    rows = zero_shot(usual(units(ground.outcomes, finding.task)))
    side = apart(rows, "model", sorted({one.model for one in rows["config"]}))
    ordered = sorted((name for name in side if name in ground.sizes), key=lambda name: (ground.sizes[name][1], name))
    pairs = [(a, b) for a, b in itertools.combinations(ordered, 2) if ground.sizes[a][1] < ground.sizes[b][1]]
    return side, pairs


def _compared(
    finding: Size, ground: Ground, side: Mapping[str, pd.DataFrame], steps: Sequence[tuple[str, str]], what: str
) -> tuple[list[int], tuple[str, str], dict[str, Any]]:
    """Signs of larger minus smaller for each pair (smaller, larger) that shares units, the worst pair, and evidence."""
    matched = {(a, b): paired(side[b], side[a], ["model"]) for a, b in steps}
    compared = {step: ground.pooled(pairs) for step, pairs in matched.items() if len(pairs)}
    if not compared:
        return [], ("", ""), {}
    signs = signs_of(compared)
    worst = min([one for one in compared if signs[one] == -1] or compared, key=lambda one: compared[one].difference)
    effect = sized(f"{LEADING[finding.task][1]}, {worst[1]} - {worst[0]} ({what})", compared[worst])
    hypotheses = [(f"{b} - {a}", result) for (a, b), result in compared.items()]
    found = {"effect": effect, "hypotheses": hypotheses, "used": used_by(ground, side.values())}
    return list(signs.values()), worst, found
