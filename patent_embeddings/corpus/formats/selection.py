"""The selection of publications by class, date, country, id and number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.cell_values import cause, is_date, rewritten
from patent_embeddings.corpus.codes import parse
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.publication_numbers import known_as, marked

UNMET = "ids of --ids that nothing here has"
_CLASS = re.compile(r"[A-HY](?:[0-9]{2}(?:[A-Z](?:[1-9][0-9]{0,3}(?:/[0-9]{2,6})?)?)?)?")


@dataclass(frozen=True)
class Select:
    """Conditions on publications; an empty field is no condition. Counts the publications that it refuses."""

    classes: tuple[str, ...] = ()  # IPC or CPC codes in one form, such as `A61`, `H04L29`; codes below them match
    since: str = ""  # earliest publication date, ISO
    until: str = ""  # latest publication date, ISO
    jurisdictions: tuple[str, ...] = ()
    ids: frozenset[str] = frozenset()  # family ids and publication numbers, also in the form of `marked`
    named: tuple[str, ...] = field(default=(), compare=False)  # ids as their file spells them
    listed: str = ""  # number and file of the ids, for messages
    limit: int = 0  # most publications; 0: all
    refused: Counter[str] = field(default_factory=Counter, compare=False)  # publications by failed condition; "": all
    met: set[str] = field(default_factory=set, compare=False)  # ids that a publication has

    def wants(self, one: Publication) -> bool:
        """Whether a publication meets all conditions; its texts are not needed."""
        failed = []
        if self.classes and not self.classed([*one.ipc, *one.cpc]):
            failed.append("--class")
        if self.since and not any(date >= self.since for date in one.dates):
            failed.append("--since")
        if self.until and not any(date and date <= self.until for date in one.dates):
            failed.append("--until")
        if not failed and self.since and self.until and not any(self.since <= date <= self.until for date in one.dates):
            failed.append("--until")
        countries = {one.jurisdiction.upper(), *(number[:2].upper() for number in one.numbers)}
        if self.jurisdictions and countries.isdisjoint(self.jurisdictions):
            failed.append("--jurisdiction")
        if self.ids:
            numbers = [form for number in one.numbers for form in (number, *known_as(marked(number, one.jurisdiction)))]
            met = self.ids.intersection([one.family, one.key, *numbers])
            self.met.update(met)
            failed += [] if met else ["--ids"]
        self.refused.update([*failed, ""] if failed else [])
        return not failed

    def chosen(self, publications: Iterable[Publication]) -> Iterator[Publication]:
        """The publications that meet all conditions, up to the limit."""
        kept = 0
        for one in publications:
            if self.wants(one):
                yield one
                kept += 1
                if kept == self.limit:
                    return

    def nothing(self) -> str:
        """Why nothing is selected: how many were refused, and the condition that refused most."""
        most, count = max(((name, number) for name, number in self.refused.items() if name), key=lambda pair: pair[1])
        lacking = f"; {UNMET}: {self.unmet()}" if most == "--ids" and self.unmet() else ""
        return f"none of {self.refused['']:,} publications is selected; {most} alone leaves out {count:,}{lacking}"

    def unmet(self) -> str:
        """How many ids no publication has, with an example; "" where all were found, or the limit ended the reading."""
        lacking = [name for name in self.named if not self.limit and self.met.isdisjoint((name, marked(name)))]
        example = max(lacking, key=rewritten, default="")  # prefer one whose cause is known
        return f"{len(lacking):,} of the {self.listed}, such as {example!r:.60}{cause(example)}" if lacking else ""

    def said(self) -> dict[str, Any]:
        """The conditions as plain values, without empty ones; the ids by the file that lists them."""
        asked = {one.name: getattr(self, one.name) for one in fields(self) if one.compare and one.name != "ids"}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asked.items() if value}

    def classed(self, codes: Iterable[str]) -> bool:
        """Whether one of the codes is one of the classes, or lies under it."""
        return any(_under(parse(code) or "", wanted) for code in codes for wanted in self.classes)


def _under(code: str, wanted: str) -> bool:
    """Whether a code is another, or lies under it: `A61B5/00` under `A61B5`, not under `A61B50`."""
    return code.startswith(wanted) if len(wanted) < 5 else code == wanted or code.startswith(f"{wanted}/")


def select(classes: str, since: str, until: str, jurisdiction: str, ids: Path | None, limit: int) -> Select:
    """The selection from command-line options. Raises UserError where a value is invalid, or `ids` has no id."""
    named = sorted(_ids(ids)) if ids else []
    chosen = Select(
        classes=tuple(_class(one) for one in _entries("--class", classes)),
        since=day("--since", since),
        until=day("--until", until),
        jurisdictions=tuple(_country(one) for one in _entries("--jurisdiction", jurisdiction)),
        ids=frozenset({*named, *map(marked, named)} - {""}),
        named=tuple(named),
        listed=f"{len(named):,} of {ids.name}" if ids else "",
        limit=limit,
    )
    if chosen.since and chosen.until and chosen.since > chosen.until:
        raise UserError(f"--since {since} is after --until {until}: nothing lies between; exchange them")
    return chosen


def _entries(option: str, text: str) -> list[str]:
    """The entries of an option, separated by commas. Raises UserError where it has only commas and blanks."""
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    if text and not entries:
        raise UserError(f"{option} {text!r:.40} names nothing; write entries by commas, or leave it out")
    return entries


def _class(text: str) -> str:
    code = re.sub(r"\s", "", text.upper())
    if not _CLASS.fullmatch(code):
        raise UserError(f"--class {text!r:.40} is no IPC or CPC class; write them like A61, H04L or H04L29, by commas")
    return code


def day(option: str, text: str) -> str:
    """The date of an option, or "". Raises UserError where it is neither."""
    if text and not is_date(text):
        raise UserError(f"{option} {text!r:.40} is no date; write it as YYYY-MM-DD")
    return text


def _country(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2}", text):
        raise UserError(f"--jurisdiction {text!r:.40} is no country of publication; write them like US,EP")
    return text.upper()


def _ids(path: Path) -> set[str]:
    """Ids of a file, one a line. Raises UserError where it cannot be read or has none."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"--ids {path}: no text in UTF-8; save it as text in UTF-8, one id a line") from None
    except OSError as error:
        raise UserError(f"--ids {path}: cannot read ({error.strerror}); check path and permissions") from None
    spelled = {line.strip().strip('"') for line in lines} - {""}
    if not spelled:
        raise UserError(f"--ids {path}: has no id; write one a line")
    return spelled
