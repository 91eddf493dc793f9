"""The findings of the study, each judged by its declared rule from the outcomes of many cells.

Real and simulated landscapes are judged separately. A planted effect can be recovered or missed; it cannot support a
finding about patents. Nothing here reads or writes a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from patent_embeddings.grid.comparisons import adjusted
from patent_embeddings.grid.intervals import RESAMPLES
from patent_embeddings.grid.rules import recipes, scopes, sizes, transfer
from patent_embeddings.grid.rules.evidence import Effect, Found, Ground, enough
from patent_embeddings.grid.units import one_ground

PLANTED = {"supported": "plant recovered", "contradicted": "plant missed"}
RULES: dict[str, Callable[[Any, Ground], Found]] = {
    "best": recipes.best,
    "depends": recipes.depends,
    "harm": transfer.harm,
    "strength": transfer.strength,
    "gap": scopes.gap,
    "remains": scopes.remains,
    "gain": scopes.gain,
    "monotone": sizes.monotone,
    "inversion": sizes.inversion,
}


@dataclass(frozen=True)
class Judgement:
    """The verdict on one finding, on real or on simulated landscapes."""

    finding: str
    ground: str  # real or simulated
    verdict: str  # supported, contradicted (simulated: plant recovered, plant missed), undetermined, not tested
    reason: str
    effect: Effect | None = None  # on which the verdict rests; None where nothing could be compared
    hypotheses: list[dict[str, Any]] = field(default_factory=list)  # corrected together (Holm)
    cells: list[str] = field(default_factory=list)  # whose outcomes were used
    needs: dict[str, list[Any]] = field(default_factory=dict)  # axes of cells that would decide it, where it is open


def judge(
    outcomes: pd.DataFrame,
    findings: Mapping[str, Any],
    sizes: Mapping[str, tuple[str, float]],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Judgement]:
    """Judge every finding on real landscapes and then on simulated ones.

    Args:
        outcomes: columns cell, config, fold, seed, landscape, simulated, system, task, scope, metric, query_id, split,
            value.
        findings: `entries.Finding` by id.
        sizes: family and number of parameters of each model.
        resamples: of every interval and test.
        seed: of the resampling.
    """
    out = []
    for name, finding in findings.items():
        for ground, simulated in (("real", False), ("simulated", True)):
            rows = one_ground(outcomes[outcomes["simulated"] == simulated])
            if rows.empty:
                reason = f"No cell is scored on a {ground} landscape."
                out.append(Judgement(name, ground, "not tested", reason, needs=finding.cells))
            elif simulated and finding.plant is None:
                out.append(Judgement(name, ground, "not tested", "Simulated landscapes plant nothing of the kind."))
            else:
                found = RULES[finding.rule](finding, Ground(rows, sizes, resamples, seed))
                out.append(_judgement(name, ground, finding, found))
    return out


def _judgement(name: str, ground: str, finding: Any, found: Found) -> Judgement:
    chances = adjusted([result for _, result in found.hypotheses])
    both = zip(found.hypotheses, chances, strict=True)
    hypotheses = [{"hypothesis": text, **asdict(result), "p_holm": p} for (text, result), p in both]
    found = enough(found)
    cells = sorted(set(found.used["cell"])) if found.used is not None and "cell" in found.used else []
    needs = finding.cells if found.verdict in ("not tested", "undetermined") else {}
    if found.seeds:
        needs = {**needs, "finetune.seed": [0, 1, 2]}
    verdict = PLANTED.get(found.verdict, found.verdict) if ground == "simulated" else found.verdict
    return Judgement(name, ground, verdict, found.reason, found.effect, hypotheses, cells, needs)


def command(judgement: Judgement) -> str:
    """The command that computes the cells which would decide a finding; "" where none are needed."""
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


def lines(judged: Sequence[Judgement], findings: Mapping[str, Any]) -> list[str]:
    """A line for each judgement of a finding that could be tested."""
    tested = [one for one in judged if one.verdict != "not tested"]
    return [f"{one.verdict:<16} {one.ground:<10} {findings[one.finding].statement}" for one in tested]
