"""Memory that the vectors take, and the scores that they lose in fewer dimensions or fewer bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.evaluation.schemas import COMPRESSION, FORMS
from patent_embeddings.evaluation.scores import records
from patent_embeddings.grid.intervals import POINT, unseen
from patent_embeddings.grid.wording import listed
from patent_embeddings.handover.sheets import Score, Sheet, Shown
from patent_embeddings.pages.cell.results import CellResults, LandscapeResults

EXACT, METRICS = FORMS[0], ("nDCG@10", "R@100")
NAMES = {
    "float32": "float32, as searched", "half": "half the dimensions", "quarter": "a quarter of the dimensions",
    "float16": "float16", "int8": "eight bits", "binary": "one bit, ranked again",
}  # fmt: skip
TOLERATED = 0.01  # a loss of either metric from here on matters
_NAMED = 3  # landscapes that are named one by one
Rows = Mapping[tuple[str, str], Mapping[str, Any]]  # of a landscape, by form and metric


def compression(cell: CellResults) -> Sheet | None:
    """Every form of the vectors on every landscape: its bytes, its scores, and what these lose."""
    rows: list[list[Shown]] = []
    for landscape in cell.landscapes:
        found = _rows(landscape)
        for form in FORMS:
            if (form, METRICS[0]) not in found:
                continue
            one = found[form, METRICS[0]]
            line: list[Shown] = [landscape.name, NAMES[form], one["dimensions"], round(one["bytes_per_family"])]
            line += [f"{_share(found, form):.0%}", one["n"]]
            for metric in METRICS:
                one = found[form, metric]
                change = None if form == EXACT else Score(one["difference"], one["low"], one["high"])
                line += [one["value"], change]
            rows.append(line)
    if not rows:
        return None
    scored = [head for metric in METRICS for head in (metric, f"change of {metric}")]
    head = ["landscape", "vectors", "dimensions", "bytes a family", "of float32", "n", *scored]
    said = (
        "All relevant families, mean over n test queries; changes against float32 with 95 % intervals where n is large "
        "enough, not adjusted for their number (an interval of width 0: no query changed)"
    )
    return Sheet(head, rows, said, texts=2, source=cell.source(layout.compression))


def takeaway(cell: CellResults) -> list[str]:
    """The table in sentences: which forms cost next to nothing, which lose, and which are undecided.

    Only landscapes with intervals count. That no loss shows is no proof that there is none: a form is recommended where
    its intervals exclude a loss that matters. Where no query changed the interval is a point, which excludes less than
    it seems to: a sentence says how many other queries might change.
    """
    found = {one.name: rows for one in cell.landscapes if (rows := _rows(one)) and _sure(rows)}
    if not found:
        return []
    every = [
        {**row, "landscape": name, "share": _share(rows, form)}
        for name, rows in found.items()
        for (form, metric), row in rows.items()
        if form != EXACT and metric in METRICS
    ]
    measured = pd.DataFrame(every, columns=[*COMPRESSION.columns, "landscape", "share"])
    whole = len(found) * len(METRICS)  # a form that a landscape lacks is not told of
    forms = {form: table for form in FORMS if len(table := measured[measured["form"] == form]) == whole}
    room = {form: max(0.0, -rows["low"].min()) for form, rows in forms.items()}  # the greatest loss in an interval
    share = {form: rows["share"].max() for form, rows in forms.items()}
    named = {form: f"{NAMES[form]} ({share[form]:.0%})" for form in forms}
    where = f"on all {len(found)} landscapes" if len(found) > _NAMED else f"on {listed(found)}"
    said = [f"No smaller form has intervals that exclude a loss of {TOLERATED} {where}."]
    lost, unsure = [], []
    for form in (form for form in forms if room[form] >= TOLERATED):
        told = forms[form][forms[form]["high"] < 0].sort_values(["difference", "metric", "landscape"])
        for worst in records(told.head(1)):
            lost.append(f"{named[form]} {worst['difference']:.4f} ({worst['metric']}, {worst['landscape']})")
        if told.empty:
            unsure.append(f"{named[form]} up to {room[form]:.4f}")
    if safe := [form for form in forms if room[form] < TOLERATED]:
        least = min(safe, key=lambda form: share[form])
        reach = f"reach a loss of {room[least]:.4f}" if room[least] >= 5e-5 else "include no loss"
        changes = forms[least]["difference"]
        level = forms[least][forms[least]["high"] - forms[least]["low"] < POINT]
        said = [
            f"The smallest form whose intervals exclude a loss of {TOLERATED} {where}: "
            f"{NAMES[least]}, {share[least]:.0%} of float32. {METRICS[0]} and {METRICS[1]} change by "
            f"{changes.min():+.4f} to {changes.max():+.4f}; the intervals {reach}."
        ]
        if len(level):
            said.append(
                f"In {len(level)} of its {len(forms[least])} comparisons no query changed; with so few, up to "
                f"{unseen(level['n'].min()):.1%} of all queries could still change."
            )
    if lost:
        said.append(f"Measurable losses, the largest of each form: {'; '.join(lost)}.")
    if unsure:
        said.append(
            f"Undecided with so few queries, and the largest loss that the intervals allow: {'; '.join(unsure)}."
        )
    return said


def remarks(cell: CellResults) -> list[str]:
    """Landscapes that were not measured and why, and those measured on a part of their test queries."""
    if cell.model.similarity == "maxsim":
        return ["Not measured: late interaction has a vector for every token, and these forms have one for a text."]
    said = []
    for landscape in cell.landscapes:
        rows, every = _rows(landscape), _queries(cell, landscape.name)
        asked = rows[EXACT, METRICS[0]]["n"] if rows else 0
        if every and not rows:
            said.append(f"{landscape.name}: too many vectors to measure (docs/vectors.md).")
        elif rows and not _sure(rows):
            said.append(f"{landscape.name}: too few test queries ({asked}) to tell a loss from chance.")
        elif 0 < asked < every:
            said.append(
                f"{landscape.name}: measured on {asked:,} of the {every:,} test queries, chosen by a hash of the id."
            )
    return said


def _queries(cell: CellResults, landscape: str) -> int:
    """Number of test queries that the dense run is scored on."""
    ours = cell.scores[(cell.scores["landscape"] == landscape) & (cell.scores["system"] == "dense")]
    return int(ours.loc[(ours["scope"] == "all") & (ours["metric"] == METRICS[0]), "n"].max()) if len(ours) else 0


def _rows(landscape: LandscapeResults) -> Rows:
    rows = landscape.compression
    return {(row["form"], row["metric"]): row for row in records(rows[rows["scope"] == "all"])}


def _sure(rows: Rows) -> bool:
    """Whether there are enough queries for intervals."""
    return all(one["low"] == one["low"] for one in rows.values())


def _share(rows: Rows, form: str) -> float:
    """Bytes of a form as a share of float32's."""
    return float(rows[form, METRICS[0]]["bytes"] / rows[EXACT, METRICS[0]]["bytes"])
