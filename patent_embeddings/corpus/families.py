"""The families of a landscape: what every source ends in, put together and checked in one way."""

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

_SOME = 500  # records of families that are put into a frame at once
STRANGE = 0.05  # share of the entries of a column of codes that may be none; with more it is no column of codes


@dataclass(frozen=True)
class Raw:
    """A landscape as its source gives it, in rows of `FAMILIES`, `CITATIONS`, `RELATIONS` and `ASKED`."""

    families: pd.DataFrame
    citations: pd.DataFrame  # both ends are families of the landscape
    relations: pd.DataFrame = field(default_factory=lambda: tables.empty(RELATIONS))  # judgements of the source's own
    queries: pd.DataFrame = field(default_factory=lambda: tables.empty(ASKED))  # that are no families
    notes: dict[str, Any] = field(default_factory=dict)  # what was counted on the way, such as dropped citations
    also: dict[str, str] = field(default_factory=dict)  # numbers (see `numbers.bare`) of an export -> family


def assemble(
    families: Iterable[Mapping[Any, Any]],
    cites: Iterable[tuple[str, str]],
    categories: Mapping[tuple[str, str], str] | None = None,
) -> Raw:
    """Frames of a landscape, with citations cut to those between two different families of it.

    Args:
        families: one record a family with a unique `family_id`; columns of `FAMILIES` that it lacks are empty.
        cites: (citing, cited) ids as the source gives them, in any order; the notes count what was dropped.
        categories: what a source says of pairs, as `CITATIONS` has it.
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
    """Records of families as rows of `FAMILIES`, its columns empty where they lack them.

    They are taken some at a time, so that the texts of a generator's are never held twice.
    """
    empty = {name: [] if kind == "list" else "" for name, kind in FAMILIES.columns.items()}
    left = iter(families)
    some = iter(lambda: list(islice(left, _SOME)), [])
    parts = [pd.DataFrame({name: [family.get(name, blank) for family in part] for name, blank in empty.items()})
             for part in some]  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(empty))


def checked(raw: Raw, where: str) -> Raw:
    """The landscape with its codes in one form, each once; the notes count what was none, and families of equal text.

    Raises:
        UserError: more than a twentieth of the entries of a column of codes are none; `where` begins the message.
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
    """A column of codes in one form, and how many of its entries are no codes, with an example; "" where all are."""
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
    """How many families have the text of another, and the first two that do; "" where none has."""
    groups: dict[int, list[str]] = {}
    for family, *texts in zip(*(families[name] for name in ("family_id", "title", "abstract", "claims")), strict=True):
        if any(texts):
            groups.setdefault(hash(tuple(texts)), []).append(family)
    alike = [members for members in groups.values() if len(members) > 1]
    if not alike:
        return ""
    return f"{sum(map(len, alike)):,} of {len(families):,}, such as {alike[0][0]} and {alike[0][1]}"
