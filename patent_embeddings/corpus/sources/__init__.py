"""Sources of landscapes, one module each; all of them end in the same three tables."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.codes import parse

if TYPE_CHECKING:
    import pandas as pd


# What programs write where there is nothing, as a whole cell or entry, in any case: pandas' list, the dashes of people,
# an empty list or text as it is printed, and the null of databases.
ABSENT = frozenset(
    {
        "", "-", "--", "–", "—", "n.a.", "nat", "nil", "na", "n/a", "nan", "none", "null", "-nan", "<na>",
        "#n/a", "#n/a n/a", "#na", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
        "[]", "{}", "()", "[nan]", "[none]", "[null]", "['']", '[""]', "''", '""', "\\n", "(null)", "<null>",
    }
)  # fmt: skip


def absent(value: Any) -> bool:
    """Whether a cell or an entry of a list stands for nothing: null, NaN, blank, or one of `ABSENT`."""
    if isinstance(value, str):
        text = value.strip()
        return len(text) < 12 and text.casefold() in ABSENT
    return value is None or (isinstance(value, float) and math.isnan(value))


@dataclass(frozen=True)
class Raw:
    """A landscape as its source gives it.

    Attributes:
        families: rows of `FAMILIES`.
        citations: rows of `CITATIONS`; both ends are families of the landscape.
        relations: rows of `RELATIONS` where the source brings its own judgements
            (relevance 0 is a judged or sampled negative), else None.
        notes: what was counted on the way (dropped citations, coverage of a rule, ...).
    """

    families: pd.DataFrame
    citations: pd.DataFrame
    relations: pd.DataFrame | None = None
    notes: dict[str, Any] = field(default_factory=dict)


STRANGE = 0.05  # share of the entries of a column of codes that may be none; with more it is no column of codes


def load(name: str, entry: Any) -> Raw:
    """Load landscape `name` through the module that its registry entry's `source` names.

    Raises:
        UserError: the source's file is absent, changed or unreadable, or its codes are none.
    """
    module = import_module(f"patent_embeddings.corpus.sources.{entry.source.replace('-', '_')}")
    raw: Raw = module.load(name, entry)
    return checked(raw, f"landscape {name!r}")


def checked(raw: Raw, where: str) -> Raw:
    """The landscape with its codes in one form, each once; the notes count what was no code, and families that share a text.

    Raises:
        UserError: more than a twentieth of the entries of a column of codes are none; `where` begins the message.
    """
    families, notes = raw.families.copy(), dict(raw.notes)
    for column in ("ipc", "cpc"):
        families[column], strange = _coded(families, column, where)
        if strange:
            notes[f"{column} entries left out, no codes"] = strange
    shared = _sharing(families)
    if shared:
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
            code = parse(entry)
            if code:
                codes.append(code)
            else:
                strange += 1
                example = example or f"{entry!r:.60} of family {family!r:.60}"
        rows.append(list(dict.fromkeys(codes)))
    if strange > STRANGE * total:
        raise UserError(f"{where}: {strange:,} of {total:,} entries in column {column!r} are no IPC or CPC codes, such as {example}; correct them, or leave the column out")  # fmt: skip
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
