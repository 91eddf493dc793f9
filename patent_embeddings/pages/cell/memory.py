"""What the vectors take, and what they lose in fewer dimensions and fewer bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.evaluation.schemas import FORMS
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
TOLERATED = 0.01  # loss of either metric, from which on it matters
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
        "All relevant families, mean over n test queries; changes against float32, with 95 % intervals where n "
        "suffices, each by itself (one without width: no query changed)"
    )
    return Sheet(head, rows, said, texts=2, source=cell.source(layout.compression))


def takeaway(cell: CellResults) -> list[str]:
    """What a reader takes away of the table: what costs next to nothing, what does not, and what cannot be told.

    It is of the landscapes with intervals; without one there is nothing to be told from chance. That no loss shows is
    no proof that there is none: a form is recommended where its intervals exclude a loss that matters. Where no query
    changed an interval is a point, which excludes less than it seems to: what other queries may do is said beside it.
    """
    found = {one.name: rows for one in cell.landscapes if (rows := _rows(one)) and _sure(rows)}
    if not found:
        return []
    forms = {
        form: pd.DataFrame(
            {**rows[form, metric], "landscape": name, "share": _share(rows, form)}
            for name, rows in found.items()
            for metric in METRICS
        )
        for form in FORMS
        if form != EXACT and all((form, METRICS[0]) in rows for rows in found.values())
    }
    room = {form: max(0.0, -rows["low"].min()) for form, rows in forms.items()}  # the greatest loss in an interval
    share = {form: rows["share"].max() for form, rows in forms.items()}
    named = {form: f"{NAMES[form]} ({share[form]:.0%})" for form in forms}
    where = f"on all {len(found)} landscapes" if len(found) > _NAMED else f"on {listed(found)}"
    said = [f"For no form do the intervals exclude a loss of {TOLERATED} {where}."]
    lost, unsure = [], []
    for form, table in forms.items():
        told = table[table["high"] < 0].sort_values(["difference", "metric", "landscape"])
        if room[form] >= TOLERATED and len(told):
            worst = told.iloc[0]
            lost.append(f"{named[form]} {worst['difference']:.4f} ({worst['metric']}, {worst['landscape']})")
        elif room[form] >= TOLERATED:
            unsure.append(f"{named[form]} up to {room[form]:.4f}")
    if safe := [form for form in forms if room[form] < TOLERATED]:
        least = min(safe, key=lambda form: share[form])
        reach = f"a loss of {room[least]:.4f}" if room[least] >= 5e-5 else "no loss"
        changes = forms[least]["difference"]
        level = forms[least][forms[least]["high"] - forms[least]["low"] < POINT]
        said = [
            f"The fewest bytes for which the intervals exclude a loss of {TOLERATED} {where}: "
            f"{NAMES[least]}, {share[least]:.0%} of float32. {METRICS[0]} and {METRICS[1]} change by "
            f"{changes.min():+.4f} to {changes.max():+.4f}; the intervals reach {reach}."
        ]
        if len(level):
            said.append(
                f"In {len(level)} of its {len(forms[least])} comparisons no query changed; up to "
                f"{unseen(level['n'].min()):.1%} of other queries may change all the same."
            )
    if lost:
        said.append(f"Measurable losses, at their worst: {'; '.join(lost)}.")
    if unsure:
        said.append(f"Too few queries to tell, with losses that the intervals allow: {'; '.join(unsure)}.")
    return said


def remarks(cell: CellResults) -> list[str]:
    """Which landscapes are not told of and why, and where not all test queries were asked."""
    if cell.model.similarity == "maxsim":
        return ["Not measured: late interaction has a vector for every token, which none of these forms rank by."]
    said = []
    for landscape in cell.landscapes:
        rows, every = _rows(landscape), _queries(cell, landscape.name)
        asked = rows[EXACT, METRICS[0]]["n"] if rows else 0
        if every and not rows:
            said.append(f"{landscape.name}: its vectors are too many to be measured (docs/vectors.md).")
        elif rows and not _sure(rows):
            said.append(f"{landscape.name}: too few test queries ({asked}) to tell a loss from chance.")
        elif 0 < asked < every:
            said.append(f"{landscape.name}: {asked:,} of the {every:,} test queries, those of the least hashes of ids.")
    return said


def _queries(cell: CellResults, landscape: str) -> int:
    """How many test queries the dense run is scored on."""
    ours = cell.scores[(cell.scores["landscape"] == landscape) & (cell.scores["system"] == "dense")]
    return int(ours.loc[(ours["scope"] == "all") & (ours["metric"] == METRICS[0]), "n"].max()) if len(ours) else 0


def _rows(landscape: LandscapeResults) -> Rows:
    rows = landscape.compression
    return {(row["form"], row["metric"]): row for row in records(rows[rows["scope"] == "all"])}


def _sure(rows: Rows) -> bool:
    """Whether there are enough queries for intervals."""
    return all(one["low"] == one["low"] for one in rows.values())


def _share(rows: Rows, form: str) -> float:
    """The share of float32's bytes that a form takes."""
    return float(rows[form, METRICS[0]]["bytes"] / rows[EXACT, METRICS[0]]["bytes"])
