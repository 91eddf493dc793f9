"""What the vectors take, and what they lose in fewer dimensions and fewer bytes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from patent_embeddings.core import layout
from patent_embeddings.evaluation.schemas import FORMS
from patent_embeddings.evaluation.scores import records
from patent_embeddings.handover.sheets import Score, Sheet, Shown
from patent_embeddings.pages.cell.results import CellResults, LandscapeResults
from patent_embeddings.pages.cell.source import source

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
            line += [f"{_share({landscape.name: found}, form):.0%}", one["n"]]
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
    return Sheet(head, rows, said, texts=2, source=source(cell, layout.compression))


def takeaway(cell: CellResults) -> list[str]:
    """What a reader takes away of the table: what costs next to nothing, what does not, and what cannot be told.

    It is of the landscapes with intervals; without one there is nothing to be told from chance. That no loss shows is
    no proof that there is none: a form is recommended where its intervals exclude a loss that matters.
    """
    found = {one.name: rows for one in cell.landscapes if (rows := _rows(one)) and _sure(rows)}
    if not found:
        return []
    forms = [form for form in FORMS if form != EXACT and all((form, METRICS[0]) in rows for rows in found.values())]
    safe = [form for form in forms if _room(found, form) < TOLERATED]
    worse = [form for form in forms if form not in safe and any(one["high"] < 0 for one in _of(found, form))]
    lost = [f"{_named(found, form)} {_worst(found, form)}" for form in worse]
    unsure = [f"{_named(found, form)} up to {_room(found, form):.4f}" for form in forms if form not in (*safe, *worse)]
    said = [f"For no form do the intervals exclude a loss of {TOLERATED} {_where(found)}."]
    if safe:
        least = min(safe, key=lambda form: _share(found, form))
        room = _room(found, least)
        reach = f"a loss of {room:.4f}" if room >= 5e-5 else "no loss"
        changes = [one["difference"] for one in _of(found, least)]
        said = [
            f"The fewest bytes for which the intervals exclude a loss of {TOLERATED} {_where(found)}: "
            f"{NAMES[least]}, {_share(found, least):.0%} of float32. {METRICS[0]} and {METRICS[1]} change by "
            f"{min(changes):+.4f} to {max(changes):+.4f}; the intervals reach {reach}."
        ]
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


def _of(found: Mapping[str, Rows], form: str) -> list[Mapping[str, Any]]:
    return [rows[form, metric] for rows in found.values() for metric in METRICS]


def _share(found: Mapping[str, Rows], form: str) -> float:
    """The greatest share of float32's bytes that a form takes on a landscape."""
    return float(max(rows[form, METRICS[0]]["bytes"] / rows[EXACT, METRICS[0]]["bytes"] for rows in found.values()))


def _worst(found: Mapping[str, Rows], form: str) -> str:
    """The greatest loss of those that the intervals tell from none, and where it is."""
    told = [
        (one["difference"], metric, name)
        for name, rows in found.items()
        for metric in METRICS
        if (one := rows[form, metric])["high"] < 0
    ]
    change, metric, name = min(told)
    return f"{change:.4f} ({metric}, {name})"


def _room(found: Mapping[str, Rows], form: str) -> float:
    """The greatest loss that an interval reaches, at least 0."""
    return float(max(0.0, *(-one["low"] for one in _of(found, form))))


def _named(found: Mapping[str, Rows], form: str) -> str:
    return f"{NAMES[form]} ({_share(found, form):.0%})"


def _where(names: Collection[str]) -> str:
    if len(names) > _NAMED:
        return f"on all {len(names)} landscapes"
    *rest, last = names
    return f"on {', '.join(rest)} and {last}" if rest else f"on {last}"
