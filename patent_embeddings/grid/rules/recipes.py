"""Rules about recipes in domain, and about views."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from patent_embeddings.evaluation.statistics import Comparison
from patent_embeddings.evaluation.systems import LEADING, Task
from patent_embeddings.grid import entries
from patent_embeddings.grid.comparisons import reversed_
from patent_embeddings.grid.intervals import score
from patent_embeddings.grid.rules.evidence import (
    TRAINING,
    VIEWS,
    Found,
    Ground,
    apart,
    of_adapters,
    signs_of,
    sized,
    used_by,
)
from patent_embeddings.grid.units import at_home, paired, same_options, units, usual, where, zero_shot
from patent_embeddings.grid.wording import listed


def best(finding: entries.Best, ground: Ground) -> Found:
    """Compare one recipe or view with every other, over the units that both have."""
    rows = units(ground.outcomes, finding.task)
    if finding.vary == "recipe":
        rows, axis, varied = usual(at_home(rows)), "recipe", TRAINING
    else:
        same = where(zero_shot(rows), lambda one: one.dimensions == 0 and one.query_view == one.document_view)
        rows, axis, varied = same_options(same), "query_view", VIEWS
    side = apart(rows, axis, (finding.candidate, *finding.rivals))
    compared, alone = {}, False
    for rival in finding.rivals:
        pairs = paired(side[finding.candidate], side[rival], varied)
        if len(pairs):
            compared[rival], lone = ground.trained(pairs)
            alone |= lone
    if not compared:
        return Found("not tested", f"No cells with {finding.candidate} and a rival on the same queries.")
    hypotheses = [(f"{finding.candidate} - {rival}", result) for rival, result in compared.items()]
    sign = signs_of(compared)
    closest = min(compared, key=lambda rival: compared[rival].difference)
    metric = LEADING[finding.task][1]
    effect = sized(f"{metric}, {finding.candidate} - {closest} (its closest rival)", compared[closest])
    found: dict[str, Any] = {"effect": effect, "hypotheses": hypotheses, "used": used_by(ground, side.values())}
    worse = [rival for rival in compared if sign[rival] < 0]
    missing = [rival for rival in finding.rivals if rival not in compared]
    if worse:
        reason = f"{finding.candidate} is significantly worse than {listed(worse)}."
        return of_adapters(Found("contradicted", reason, **found), alone)
    if missing:
        return Found("not tested", f"No cells of {listed(missing)} to compare with.", **found)
    beaten = [rival for rival in compared if sign[rival] > 0]
    if len(beaten) == len(compared):
        reason = f"{finding.candidate} is significantly better than {listed(beaten)}."
        return of_adapters(Found("supported", reason, **found), alone)
    left = [rival for rival in compared if rival not in beaten]
    return Found("undetermined", f"The difference from {listed(left)} is not significant.", **found)


def depends(finding: entries.Depends, ground: Ground) -> Found:
    """Compare every pair of recipes on every task: is a recipe better on one task and worse on another?"""
    compared: dict[tuple[Task, str, str], Comparison] = {}
    reference: dict[tuple[Task, str], float] = {}
    used, alone = [], False
    for task in finding.tasks:
        rows = usual(at_home(units(ground.outcomes, task)))
        side = apart(rows, "recipe", finding.recipes)
        used += list(side.values())
        reference |= {(task, recipe): score(part) for recipe, part in side.items() if len(part)}
        for a, b in itertools.combinations(finding.recipes, 2):
            pairs = paired(side[a], side[b], TRAINING)
            if len(pairs):
                compared[task, a, b], lone = ground.trained(pairs)
                alone |= lone
    tasks = {task for task, _, _ in compared}
    if len(tasks) < 2:
        return Found("not tested", "Fewer than two tasks have two recipes on the same landscape.")
    hypotheses = [(f"{task}: {a} - {b}", result) for (task, a, b), result in compared.items()]
    sign = signs_of(compared)
    reversals = [
        (a, b, here, there)
        for here, there in itertools.permutations(finding.tasks, 2)
        for a, b in itertools.combinations(finding.recipes, 2)
        if sign.get((here, a, b)) == 1 and sign.get((there, a, b)) == -1
    ]
    widest = max(compared, key=lambda key: abs(compared[key].difference))
    if reversals:
        # The strongest reversal is the one whose weaker side is largest.
        a, b, here, there = max(
            reversals, key=lambda one: min(abs(compared[task, one[0], one[1]].difference) for task in one[2:])
        )
        effect = sized(f"{LEADING[there][1]}, {b} - {a} ({there})", reversed_(compared[there, a, b]))
        reason = f"{a} is significantly better than {b} on {here}, and worse on {there}."
        return of_adapters(Found("supported", reason, effect, hypotheses, used_by(ground, used)), alone)
    at, a, b = widest
    effect = sized(f"{LEADING[at][1]}, {a} - {b} ({at}), the widest difference", compared[widest])
    found: dict[str, Any] = {"effect": effect, "hypotheses": hypotheses, "used": used_by(ground, used)}
    if len(compared) < len(finding.tasks) * len(list(itertools.combinations(finding.recipes, 2))):
        reason = "No recipe pair is reversed so far, and not every recipe has cells for every task."
        return Found("not tested", reason, **found)
    for recipe in finding.recipes:
        if all(_not_inferior(recipe, key, result, reference, finding.margin) for key, result in compared.items()):
            reason = f"{recipe} is not inferior to any other recipe on any task."
            return of_adapters(Found("contradicted", reason, **found), alone)
    return Found(
        "undetermined", "No pair of recipes is significantly reversed, none is shown best throughout.", **found
    )


def _not_inferior(
    recipe: str,
    key: tuple[Task, str, str],
    result: Comparison,
    reference: Mapping[tuple[Task, str], float],
    margin: float,
) -> bool:
    task, a, b = key
    if recipe not in (a, b):
        return True
    low, rival = (result.low, b) if recipe == a else (-result.high, a)
    return low > -margin * reference[task, rival]
