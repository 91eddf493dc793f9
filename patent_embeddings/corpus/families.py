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
    also: dict[str, str] = field(default_factory=dict)  # marked publication number of an export -> family


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
    dropped = {"outside the landscape": 0, "to itself": 0, "repeated": 0}
    for pair in cites:
        if not known.issuperset(pair):
            dropped["outside the landscape"] += 1
        elif pair[0] == pair[1]:
            dropped["to itself"] += 1
        elif pair in kept:
            dropped["repeated"] += 1
        else:
            kept.add(pair)
    cited = [(*pair, (categories or {}).get(pair, "")) for pair in sorted(kept)]
    counts = {f"citations dropped, {why}": count for why, count in dropped.items()}
    citations = pd.DataFrame(cited, columns=list(CITATIONS.columns), dtype=str)
    return Raw(rows, citations, notes={"citations kept": len(kept), **counts})


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
    total, rows, odd = 0, [], []
    for family, entries in zip(families["family_id"], families[column], strict=True):
        codes = [(entry, parse(entry)) for entry in entries if not absent(entry)]
        total += len(codes)
        odd += [f"{entry!r:.60} of family {family!r:.60}" for entry, code in codes if not code]
        rows.append(list(dict.fromkeys(code for _, code in codes if code)))
    strange, example = len(odd), next(iter(odd), "")
    if strange > STRANGE * total:
        said = f"{strange:,} of {total:,} entries in column {column!r} are no IPC or CPC codes, such as {example}"
        raise UserError(f"{where}: {said}; correct them, or leave the column out")
    return rows, f"{strange:,} of {total:,}, such as {example}" if strange else ""


def _sharing(families: pd.DataFrame) -> str:
    """How many families have the same text as another, with two of them as an example; "" if none has."""
    texts = families[["title", "abstract", "claims"]]
    alike = families["family_id"][texts.duplicated(keep=False) & (texts != "").any(axis=1)]
    if alike.empty:
        return ""
    one, other = alike[(texts.loc[alike.index] == texts.loc[alike.index[0]]).all(axis=1)].iloc[:2]
    return f"{len(alike):,} of {len(families):,}, such as {one} and {other}"
