"""The report of a grid: its scores, comparisons, the verdict on each finding, pictures and page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.files import write_json, write_text
from patent_embeddings.core.progress import say
from patent_embeddings.encoders.entries import model_entry
from patent_embeddings.evaluation.scores import csv_text
from patent_embeddings.grid import comparisons, findings
from patent_embeddings.grid.comparisons import Tested
from patent_embeddings.grid.entries import Finding, Hypotheses
from patent_embeddings.grid.findings import Judgement
from patent_embeddings.grid.gather import Grid
from patent_embeddings.grid.units import described, where
from patent_embeddings.handover.spreadsheet import plain
from patent_embeddings.pages.grid.page import page
from patent_embeddings.pages.grid.picture import Material
from patent_embeddings.pages.grid.pictures import pictures
from patent_embeddings.pages.outlines import svg
from patent_embeddings.pairs.entries import recipe_entry

COMPARED = (
    "hypotheses", "landscape", "task", "scope", "metric", "first", "second", "difference", "ci_low", "ci_high", "p",
    "p_holm", "effect", "n",
)  # fmt: skip


def write(grid: Grid, hypotheses: Mapping[str, Hypotheses], entries: Mapping[str, Finding]) -> list[Judgement]:
    """Write reports/grid/ and return the judgement of each finding; `hypotheses` and `entries` are by id."""
    sizes = sizes_of(grid.models)
    say("comparing")
    tested = comparisons.declared(grid.outcomes, hypotheses)
    say("judging the findings")
    judged = findings.judge(of_the_study(grid.outcomes), entries, sizes)
    drawn = pictures(Material(grid, tested, sizes))
    write_text(layout.GRID_SCORES, scores_csv(grid.scores))
    write_text(layout.GRID_COMPARISONS, comparisons_csv(tested))
    write_json(layout.GRID_FINDINGS, ledger(judged, entries))
    write_text(layout.GRID_PAGE, page(grid, tested, judged, entries, drawn))
    for name, picture in drawn.items():
        if picture.spec and not picture.timed:
            write_text(layout.grid_figure(name), svg(picture.spec))
        else:
            layout.grid_figure(name).unlink(missing_ok=True)  # left by a grid that had its cells
    return judged


def of_the_study(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Outcomes of the study's recipes; ours that were built to harm less elsewhere say nothing about its findings."""
    return where(outcomes, lambda one: recipe_entry(one.recipe).plain)


def sizes_of(models: Iterable[str]) -> dict[str, tuple[str, float]]:
    """Family and parameters (millions) of each model."""
    entries = {name: model_entry(name) for name in models}
    return {name: (entry.family, entry.parameters) for name, entry in entries.items()}


def scores_csv(scores: pd.DataFrame) -> str:
    """`scores.csv`: rows of every reports/scores.csv, with the columns that name their cell."""
    named = described(scores, keyed=True)
    named = named.assign(**{name: named[name].map(plain) for name in ("cell", "variant")})
    rows = named.sort_values(list(named.columns), kind="stable")
    return rows.to_csv(index=False, float_format="%.4f", lineterminator="\n")


def comparisons_csv(tested: Sequence[Tested]) -> str:
    """`comparisons.csv`: first minus second, 95 % interval, p-value before and after Holm's correction, effect size."""
    rows = []
    for one in tested:
        found = one.result
        words = map(plain, (one.hypotheses, one.landscape, one.task, one.scope, one.metric, *one.words))
        numbers = (found.difference, found.low, found.high, found.effect)
        *sizes, effect = ("" if value != value else f"{value:.4f}" for value in numbers)
        rows.append((*words, *sizes, f"{found.p:.4g}", f"{one.p_holm:.4g}", effect, found.n))
    return csv_text(list(COMPARED), [dict(zip(COMPARED, row, strict=True)) for row in rows])


def ledger(judged: Sequence[Judgement], entries: Mapping[str, Finding]) -> list[dict[str, Any]]:
    """`findings.json`: the judgement of each finding on each ground, with its statement, rule and command."""
    out = []
    for one in judged:
        entry = entries[one.finding]
        words = {"statement": entry.statement, "decision": entry.decision, "command": findings.command(one)}
        out.append(_rounded(asdict(one)) | words)
    return out


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        # A p-value far below 0.0001 must not become 0.
        exact = ("p", "p_holm")
        return {key: float(f"{inner:.4g}") if key in exact else _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    if not isinstance(value, float):
        return value
    return round(value, 4) if math.isfinite(value) else None  # JSON has neither NaN nor infinity
