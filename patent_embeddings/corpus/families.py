"""The families and citations of a landscape: the tables that every source produces, and their checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import pandas as pd

from patent_embeddings.core import tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.cell_values import absent
from patent_embeddings.corpus.codes import parse
from patent_embeddings.corpus.schemas import ASKED, CITATIONS, FAMILIES, RELATIONS

_BATCH = 500  # records of families that are put into a frame at once
STRANGE = 0.05  # largest share of invalid entries in a column of codes; with more, it is not taken for one


@dataclass(frozen=True)
class Raw:
    """A landscape as its source gives it: rows of `FAMILIES`, `CITATIONS`, `RELATIONS` and `ASKED`."""

    families: pd.DataFrame
    citations: pd.DataFrame  # between families of the landscape
    relations: pd.DataFrame = field(default_factory=lambda: tables.empty(RELATIONS))  # the source's own judgements
    queries: pd.DataFrame = field(default_factory=lambda: tables.empty(ASKED))  # queries that are not families
    notes: dict[str, Any] = field(default_factory=dict)  # counts from reading, such as dropped citations
    also: dict[str, str] = field(default_factory=dict)  # bare publication number of an export -> family


def assemble(
    families: Iterable[Mapping[Any, Any]],
    cites: Iterable[tuple[str, str]],
    categories: Mapping[tuple[str, str], str] | None = None,
) -> Raw:
    """Build the frames of a landscape, with the citations between two different families of it.

    Args:
        families: one record per family, with a unique `family_id`; columns of `FAMILIES` that it lacks are empty.
        cites: (citing, cited) ids as the source gives them, in any order; the notes count those that are dropped.
        categories: categories of pairs, as in `CITATIONS`.
    """
    rows = frame(families)
    known = set(rows["family_id"])
    kept: set[tuple[str, str]] = set()
    outside = itself = repeated = 0
    for citing, cited in cites:
        if citing not in known or cited not in known:
            outside += 1
        elif citing == cited:
            itself += 1
        elif (citing, cited) in kept:
            repeated += 1
        else:
            kept.add((citing, cited))
    return Raw(
        families=rows,
        citations=pd.DataFrame(
            [(*pair, (categories or {}).get(pair, "")) for pair in sorted(kept)],
            columns=list(CITATIONS.columns),
            dtype=str,
        ),
        notes={
            "citations kept": len(kept),
            "citations dropped, outside the landscape": outside,
            "citations dropped, to itself": itself,
            "citations dropped, repeated": repeated,
        },
    )


def frame(families: Iterable[Mapping[Any, Any]]) -> pd.DataFrame:
    """Rows of `FAMILIES` from records; columns that a record lacks are empty.

    Records are consumed in batches, so that the texts of a generator are never in memory twice.
    """
    empty = {name: [] if kind == "list" else "" for name, kind in FAMILIES.columns.items()}
    remaining = iter(families)
    batches = iter(lambda: list(islice(remaining, _BATCH)), [])
    parts = [pd.DataFrame({name: [family.get(name, blank) for family in batch] for name, blank in empty.items()})
             for batch in batches]  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(empty))


def checked(raw: Raw, where: str) -> Raw:
    """The landscape with canonical, distinct codes; the notes count invalid codes and families of equal text.

    Raises UserError, whose message begins with `where`, if more than 5 % of a column's codes are invalid.
    """
    families, notes = raw.families.copy(), dict(raw.notes)
    for column in ("ipc", "cpc"):
        families[column], strange = _coded(families, column, where)
        if strange:
            notes[f"{column} entries left out, no codes"] = strange
    if shared := _sharing(families):
        notes["families that share title, abstract and claims with another"] = shared
    return replace(raw, families=families, notes=notes)


def _coded(families: pd.DataFrame, column: str, where: str) -> tuple[list[list[str]], str]:
    """A column's canonical codes, and the number of invalid entries with an example, "" if there are none."""
    total = strange = 0
    example = ""
    rows = []
    for family, entries in zip(families["family_id"], families[column], strict=True):
        codes = []
        for entry in entries:
            if absent(entry):
                continue
            total += 1
            if code := parse(entry):
                codes.append(code)
            else:
                strange += 1
                example = example or f"{entry!r:.60} of family {family!r:.60}"
        rows.append(list(dict.fromkeys(codes)))
    if strange > STRANGE * total:
        said = f"{strange:,} of {total:,} entries in column {column!r} are no IPC or CPC codes, such as {example}"
        raise UserError(f"{where}: {said}; correct them, or leave the column out")
    return rows, f"{strange:,} of {total:,}, such as {example}" if strange else ""


def _sharing(families: pd.DataFrame) -> str:
    """How many families have the same text as another, with two of them as an example; "" if none has."""
    groups: dict[int, list[str]] = {}
    for family, *texts in zip(*(families[name] for name in ("family_id", "title", "abstract", "claims")), strict=True):
        if any(texts):
            groups.setdefault(hash(tuple(texts)), []).append(family)
    alike = [members for members in groups.values() if len(members) > 1]
    if not alike:
        return ""
    return f"{sum(map(len, alike)):,} of {len(families):,}, such as {alike[0][0]} and {alike[0][1]}"
