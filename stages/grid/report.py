"""What the grid's cells come to: scores, comparisons, the verdict on each finding, pictures and one page."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from stages import layout
from stages.sheets import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from stages.contrasts import Tested
    from stages.findings import Judgement
    from stages.grid.gather import Grid

COMPARED = ("family", "landscape", "task", "scope", "metric", "first", "second", "difference", "ci_low", "ci_high", "p", "p_holm", "effect", "n")  # fmt: skip


def write(record: Path | None = None) -> None:
    """Write reports/grid/ from the experiments of this code version.

    Args:
        record: of further cells, of which it knows retrieval only; those that are also experiments are not read from it.

    Raises:
        UserError: there is no such experiment and no record, or an output of one is lost.
    """
    from stages import charts, findings, params, registry
    from stages.files import replacing, write_json, write_text
    from stages.grid import figures, gather, page, section
    from stages.grid import record as records
    from stages.grid.cells import flat
    from stages.progress import say

    grid = gather.load(gather.current(needed=record is None))
    recorded = 0
    if record is not None:
        outcomes, recorded = records.joined(grid.outcomes, record)
        grid = replace(grid, outcomes=outcomes)
    sizes = sizes_of(sorted(set(grid.outcomes["model"])))
    say("comparing")
    tested = comparisons(grid)
    say("judging the findings")
    entries = registry.every("findings")
    judged = findings.judge(of_the_study(grid.outcomes), entries, sizes)
    named = grid.scores.assign(**{name: grid.scores[name].map(plain) for name in ("cell", "variant")})
    write_text(layout.GRID_SCORES, named.sort_values(list(named.columns), kind="stable").to_csv(index=False, float_format="%.4f", lineterminator="\n"))  # fmt: skip
    write_text(layout.GRID_COMPARISONS, comparisons_csv(tested))
    write_json(layout.GRID_FINDINGS, ledger(judged, entries))
    base = flat(params.load().model_dump(mode="json"))
    study = section.study(grid, registry.entry("protocol", "robust"), base)
    drawn = figures.pictures(grid, tested, sizes) | {"frontier": figures.frontier(study.points)}
    for name, picture in drawn.items():
        if picture.spec:
            with replacing(layout.grid_figure(name)) as temporary:
                temporary.write_bytes(charts.png(picture.spec))
        else:
            layout.grid_figure(name).unlink(missing_ok=True)  # of a grid that had its cells
    write_text(layout.GRID_PAGE, page.page(grid, tested, judged, entries, drawn, study, recorded))
    for one in judged:
        if one.verdict != findings.NOT_TESTED:
            print(f"{one.verdict:<16} {one.ground:<10} {entries[one.finding].statement}")
    print(f"page: {layout.GRID_PAGE}")


def of_the_study(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Outcomes of recipes that train as the study's do: what was built to harm less says nothing of its findings."""
    from stages import registry

    plain = [name for name in outcomes["recipe"].unique() if registry.recipe(name).plain]
    return outcomes[outcomes["recipe"].isin(plain)]


def sizes_of(models: Sequence[str]) -> dict[str, tuple[str, float]]:
    """Family and parameters (millions) of each model."""
    from stages import registry

    return {name: (registry.model(name).family, registry.model(name).parameters) for name in models}


def comparisons(grid: Grid) -> list[Tested]:
    """Every comparison of the declared families."""
    from stages import contrasts, registry

    return [
        one
        for name, family in registry.every("families").items()
        for task in family.tasks
        for one in contrasts.every_pair(grid.outcomes, name, family.compares, task)
    ]


def comparisons_csv(tested: Sequence[Tested]) -> str:
    """`comparisons.csv`: first minus second, with 95 % interval, p-value as it is and after Holm, effect size."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COMPARED)
    for one in tested:
        found = one.result
        difference, low, high, effect = ("" if value != value else f"{value:.4f}" for value in (found.difference, found.low, found.high, found.effect))  # fmt: skip
        numbers = [difference, low, high, *(f"{p:.4g}" for p in (found.p, one.p_holm)), effect]
        words = [one.family, one.landscape, one.task, one.scope, one.metric, one.first, one.second]
        writer.writerow([*map(plain, words), *numbers, found.n])
    return text.getvalue()


def ledger(judged: Sequence[Judgement], entries: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`findings.json`: each finding on each ground, its statement, rule, verdict, effect, hypotheses and cells."""
    return [
        _rounded(asdict(one)) | {"statement": entries[one.finding].statement, "decision": entries[one.finding].decision, "command": command(one)}
        for one in judged
    ]  # fmt: skip


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


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        # A p-value may be far below a ten-thousandth, and is not 0 then.
        return {key: float(f"{inner:.4g}") if key in ("p", "p_holm") else _rounded(inner) for key, inner in value.items()}  # fmt: skip
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    if not isinstance(value, float):
        return value
    return round(value, 4) if math.isfinite(value) else None  # JSON has neither NaN nor infinity
