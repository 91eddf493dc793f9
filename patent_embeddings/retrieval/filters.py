"""Filters of hits: conditions on dates, codes, countries and applicants."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from patent_embeddings.core.arrays import Booleans
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.formats.selection import Select, day, select

COLUMNS = ("family_id", "ipc", "cpc", "jurisdiction", "date", "priority", "publications", "applicants")
_SIGNS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Filters:
    """Conditions on a family; an empty field is no condition."""

    before: str = ""  # ISO: its priority, or its publication where that is unknown, is earlier
    select: Select = field(default_factory=Select)  # classes and jurisdictions of it or its members
    strangers: tuple[str, ...] = ()  # applicants that it does not have, as `_name` writes them

    def said(self) -> dict[str, str | list[str]]:
        """The options that are set, as plain values by name."""
        given: dict[str, str | list[str]] = {
            "before": self.before, "class": [*self.select.classes], "jurisdiction": [*self.select.jurisdictions],
            "not-applicant": [*self.strangers],
        }  # fmt: skip
        return {name: value for name, value in given.items() if value}


def filters(before: str, classes: str, jurisdiction: str, not_applicant: Iterable[str]) -> Filters:
    """Parse the options into filters. Raises UserError: a value is not valid."""
    names = [part for entry in not_applicant for part in entry.split(",") if part.strip()]
    if blank := [name for name in names if not _name(name)]:
        raise UserError(f"--not-applicant {blank[0].strip()!r:.40} has neither letter nor digit; write a name")
    return Filters(
        day("--before", before), select(classes, "", "", jurisdiction, None, 0), tuple(dict.fromkeys(map(_name, names)))
    )


def mask(asked: Filters, families: pd.DataFrame, landscape: str) -> tuple[Booleans | None, list[str]]:
    """Mark the families that pass every filter, [families], and describe each filter's effect; None without a filter.

    `families` are rows of `FAMILIES` with the columns `COLUMNS`, in the order of the Finder's. Raises UserError: the
    landscape has no data for a filter, or no family passes.
    """
    passing, lines = np.ones(len(families), dtype=bool), []
    for option in asked.said():
        what, test = _TESTS[option]
        known, passes, said = test(asked, families)
        if not known.any():
            raise UserError(f"--{option}: landscape {landscape!r} knows no {what} of its families; leave it out")
        lacking = int((~known).sum())
        left = "in" if passes[~known].any() else "out"
        lines.append(f"--{option}: {int(passes.sum()):,} of {len(families):,} families pass{said}")
        lines[-1] += f"; {lacking:,} of unknown {what} are left {left}" if lacking else ""
        passing &= passes
    if not passing.any():
        raise UserError(f"no family of {landscape!r} passes ({'; '.join(lines)}); ask for less")
    return (passing if lines else None), lines


def _before(asked: Filters, families: pd.DataFrame) -> tuple[Booleans, Booleans, str]:
    """Compare the priority, or the publication where that is unknown; ISO dates sort as text."""
    by_priority = (families["priority"] != "").to_numpy()
    dates = families["priority"].where(by_priority, families["date"])
    known = (dates != "").to_numpy()
    passes = known & (dates < asked.before).to_numpy()
    priorities = int((passes & by_priority).sum())
    others = int(passes.sum()) - priorities
    by = f", {priorities:,} by their priority, {others:,} by their publication, as no priority is known"
    return known, passes, by


def _classes(asked: Filters, families: pd.DataFrame) -> tuple[Booleans, Booleans, str]:
    codes = [{*ipc, *cpc} for ipc, cpc in zip(families["ipc"], families["cpc"], strict=True)]
    within = {code for code in set().union(*codes) if asked.select.classed([code])}
    return _each(codes, lambda found: not within.isdisjoint(found))


def _countries(asked: Filters, families: pd.DataFrame) -> tuple[Booleans, Booleans, str]:
    pairs = zip(families["jurisdiction"], families["publications"], strict=True)
    # A number without a country says nothing.
    each = ([office, *(number[:2] for number in numbers)] for office, numbers in pairs)
    offices = [{office.upper() for office in found if office.isalpha()} for found in each]
    return _each(offices, lambda found: not found.isdisjoint(asked.select.jurisdictions))


def _strangers(asked: Filters, families: pd.DataFrame) -> tuple[Booleans, Booleans, str]:
    """Families whose applicants are unknown pass."""
    wanted = [f" {name} " for name in asked.strangers]

    def foreign(names: Iterable[str]) -> bool:
        return not any(one in f" {name} " for name in map(_name, names) for one in wanted)

    return _each(families["applicants"], foreign)


def _each(values: Any, passes: Any) -> tuple[Booleans, Booleans, str]:
    """Which families have a value, and which of their values pass."""
    values = list(values)
    known = np.fromiter((len(value) > 0 for value in values), bool, len(values))
    return known, np.fromiter(map(passes, values), bool, len(values)), ""


# By option the data that it needs, and its test: which families have the data, which pass, and a remark.
_TESTS = {
    "before": ("dates", _before), "class": ("codes", _classes), "jurisdiction": ("countries", _countries),
    "not-applicant": ("applicants", _strangers),
}  # fmt: skip


@lru_cache(maxsize=1 << 16)
def _name(text: str) -> str:
    """Normalise a name: case, blanks and punctuation do not count."""
    return _SIGNS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
