"""What the grid's cells come to: scores, comparisons, the verdict on each finding, pictures and one page."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from patent_embeddings.core import layout, params, registry
from patent_embeddings.core.files import replacing, write_json, write_text
from patent_embeddings.core.progress import say
from patent_embeddings.encoders.entries import model_entry
from patent_embeddings.grid import comparisons as comparisons_
from patent_embeddings.grid import findings, gather
from patent_embeddings.grid import record as records
from patent_embeddings.grid.cell import flat
from patent_embeddings.grid.entries import Family, Finding, Protocol
from patent_embeddings.grid.findings import command
from patent_embeddings.handover.sheets import plain
from patent_embeddings.pages import charts, grid_figures, grid_section
from patent_embeddings.pages import grid as grid_
from patent_embeddings.pairs.entries import recipe_entry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from patent_embeddings.grid.comparisons import Tested
    from patent_embeddings.grid.findings import Judgement
    from patent_embeddings.grid.gather import Grid

COMPARED = ("family", "landscape", "task", "scope", "metric", "first", "second", "difference", "ci_low", "ci_high", "p", "p_holm", "effect", "n")  # fmt: skip


def write(record: Path | None = None) -> None:
    """Write reports/grid/ from the experiments of this code version.

    Args:
        record: of further cells, of which it knows retrieval only; those that are also experiments are not read from it.

    Raises:
        UserError: there is no such experiment and no record, or an output of one is lost.
    """

    grid = gather.load(gather.current(needed=record is None))
    recorded = 0
    if record is not None:
        outcomes, recorded = records.joined(grid.outcomes, record)
        grid = replace(grid, outcomes=outcomes)
    sizes = sizes_of(sorted(set(grid.outcomes["model"])))
    say("comparing")
    tested = comparisons(grid)
    say("judging the findings")
    entries = registry.every("findings", Finding)
    judged = findings.judge(of_the_study(grid.outcomes), entries, sizes)
    named = grid.scores.assign(**{name: grid.scores[name].map(plain) for name in ("cell", "variant")})
    write_text(layout.GRID_SCORES, named.sort_values(list(named.columns), kind="stable").to_csv(index=False, float_format="%.4f", lineterminator="\n"))  # fmt: skip
    write_text(layout.GRID_COMPARISONS, comparisons_csv(tested))
    write_json(layout.GRID_FINDINGS, ledger(judged, entries))
    base = flat(params.load().model_dump(mode="json"))
    study = grid_section.study(grid, registry.entry("protocol", "robust", Protocol), base)
    drawn = grid_figures.pictures(grid, tested, sizes) | {"frontier": grid_figures.frontier(study.points)}
    for name, picture in drawn.items():
        if picture.spec:
            with replacing(layout.grid_figure(name)) as temporary:
                temporary.write_bytes(charts.png(picture.spec))
        else:
            layout.grid_figure(name).unlink(missing_ok=True)  # of a grid that had its cells
    write_text(layout.GRID_PAGE, grid_.page(grid, tested, judged, entries, drawn, study, recorded))
    for one in judged:
        if one.verdict != findings.NOT_TESTED:
            print(f"{one.verdict:<16} {one.ground:<10} {entries[one.finding].statement}")
    print(f"page: {layout.GRID_PAGE}")


def of_the_study(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Outcomes of recipes that train as the study's do: what was built to harm less says nothing of its findings."""

    plain = [name for name in outcomes["recipe"].unique() if recipe_entry(name).plain]
    return outcomes[outcomes["recipe"].isin(plain)]


def sizes_of(models: Sequence[str]) -> dict[str, tuple[str, float]]:
    """Family and parameters (millions) of each model."""

    return {name: (model_entry(name).family, model_entry(name).parameters) for name in models}


def comparisons(grid: Grid) -> list[Tested]:
    """Every comparison of the declared families."""

    return [
        one
        for name, family in registry.every("families", Family).items()
        for task in family.tasks
        for one in comparisons_.every_pair(grid.outcomes, name, family.compares, task)
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


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        # A p-value may be far below a ten-thousandth, and is not 0 then.
        return {key: float(f"{inner:.4g}") if key in ("p", "p_holm") else _rounded(inner) for key, inner in value.items()}  # fmt: skip
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    if not isinstance(value, float):
        return value
    return round(value, 4) if math.isfinite(value) else None  # JSON has neither NaN nor infinity
