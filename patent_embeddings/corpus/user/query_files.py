"""Who asks: queries as people's files have them, each a text or a family of the landscape."""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.corpus.cell_values import absent, cause
from patent_embeddings.corpus.codes import parse
from patent_embeddings.corpus.publication_numbers import bare, owners
from patent_embeddings.corpus.reading import records
from patent_embeddings.corpus.reading.source import Source

# Names that a column may have; case does not count. The first that there is holds the value.
DOCUMENT = ("family_id", "family id", "family", "publication_number", "publication number", "publication",
            "document", "doc_id", "docid", "corpus-id", "corpus_id", "patent")  # fmt: skip
QUERY = ("query_id", "query-id", "query id", "qid", "topic_id", "topic")
_TEXT = ("text", "query", "question", "title")
COLUMNS: records.Columns = {
    "id": (*QUERY, "_id", "id", *DOCUMENT), "text": _TEXT, "ipc": ("ipc",), "cpc": ("cpc",), "date": ("date",)
}  # fmt: skip
FORMS = "a table with the columns query_id and text, or lines of an id, a tab and a text"
_ISO = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})(?:[ T]00:00:00.*)?")
# Several words, which no id has; not a row of a table without a header (`q1,a pump`), as chemistry's locants are none
# (`1,3-butadiene`, `N,N'-`).
_LOCANTS = r"(?:[0-9]+[a-z]?|[A-Z])['′]*(?:,(?:[0-9]+[a-z]?|[A-Z])['′]*)+-"
_QUESTION = re.compile(rf"(?:{_LOCANTS}|(?![^\s,;]*[,;]\S))\S+\s+\S.*")
_SPELLED = re.compile(r"[A-Za-z]{2}[\W_]*[A-Za-z]{0,2}[\W\d_]*[0-9][\W\d_]*(?:[A-Za-z][0-9]?)?")
_FEWEST = 4  # digits of a number
_LONGEST = 200  # characters of an id


@dataclass
class Pool:
    """The families of a landscape, by whatever names them."""

    families: frozenset[str]
    numbers: dict[str, str] = field(default_factory=dict)  # bare number -> family id; "" where several have it

    @classmethod
    def of(cls, families: pd.DataFrame, also: Mapping[str, str]) -> Pool:
        """Of rows of `FAMILIES`; `also`: bare number -> family id, of publications that these do not list."""
        pool = cls(frozenset(families["family_id"]))
        pool.numbers = {**also, **owners(zip(families["family_id"], families["publications"], strict=True))}
        return pool

    def family(self, name: str) -> str:
        """The family of an id or of a member's publication number in any spelling; "" where there is none."""
        return name if name in self.families else self.numbers.get(bare(name), "")

    def shared(self, name: str) -> bool:
        """Whether several families have a number."""
        return self.numbers.get(bare(name)) == ""

    def required(self, name: str) -> str:
        """`family`. Raises UserError where there is none, or several have the number."""
        if family := self.family(name):
            return family
        if self.shared(name):
            mend = "name one by its family id"
            raise UserError(f"{name!r:.80}: several families of the landscape have this number; {mend}")
        near = nearest(bare(name) or name, [*self.families, *self.numbers])
        raise UserError(f"{name!r:.80}: no family of the landscape has this id or number{cause(name)}{near}; check it")


@dataclass(frozen=True)
class Query:
    """One who asks; a text, or a family."""

    id: str
    text: str  # "" of a family
    family: str  # "" where it is none
    codes: list[str]  # IPC's and CPC's, whose classes are the same, each once
    date: str  # ISO or ""


def read(path: Path, pool: Pool) -> tuple[list[Query], dict[str, Any]]:
    """The queries of a file, in its order, and what was counted.

    A table, JSON, or lines: an id, a tab and a text, or the id of a family or a number of its members alone; a line of
    several words that is none of these is a question, whose id is `q` with the number of the line among the filled
    ones. Raises UserError where the file cannot be read, or a query has neither a text nor a family, has both, is there
    twice, or has an id that can be none.
    """
    source = Source(path)
    found: list[Query] = []
    places: dict[str, str] = {}
    unread: dict[str, None] = {}
    for place, record in records.read(source, COLUMNS, "id", _line(pool), FORMS):
        unread |= dict.fromkeys(record.get(records.UNREAD, ()))
        where, name, text = f"{path}: {place}", worded(record.get("id")), worded(record.get("text"))
        family = pool.family(name) if name else ""
        if not name:
            raise UserError(f"{where}: the query has no id; give every query one")
        if text and family:
            said = f"query {name!r:.80} has a text, and its id names a family of the landscape"
            raise UserError(f"{where}: {said}; leave the text out, or give the query another id")
        if not text and not family:
            said = f"query {name!r:.80} has no text and is no family of the landscape{cause(name)}"
            raise UserError(f"{where}: {said}; write {FORMS}")
        first = places.setdefault(family or name, place)
        if first != place:
            raise UserError(f"{where}: query {name!r:.80} is also in {first}; give every query once")
        if family:
            found.append(Query(name, "", family, [], ""))
        else:
            _check(where, name)
            found.append(Query(name, text, "", _codes(record, source), _date(record, where)))
    if not found:
        raise UserError(f"{path}: no query in it; write {FORMS}")
    return found, source.report.notes() | ({"columns of the queries ignored": [*unread]} if unread else {})


def worded(value: Any) -> str:
    """A cell as text with single blanks; "" where it stands for nothing."""
    return "" if absent(value) else " ".join(str(value).split())


def asks(text: str) -> bool:
    """Whether a line is a question in words: several of them, and not the number of a publication."""
    return bool(_QUESTION.fullmatch(text)) and not spelled(text)


def spelled(text: str) -> bool:
    """Whether a text looks like the number of a publication: an office, digits, perhaps a kind code; `CO2` is none."""
    return bool(_SPELLED.fullmatch(text)) and sum(sign.isdigit() for sign in text) >= _FEWEST


def _line(pool: Pool) -> Callable[[str], dict[str, Any]]:
    """What makes a record of a line: an id, an id, a tab and a text, or a question."""
    number = itertools.count(1)

    def record(line: str) -> dict[str, Any]:
        at, words = next(number), worded(line)
        if "\t" not in line and not pool.family(words) and asks(words):
            return {"id": f"q{at}", "text": words}
        name, _, text = line.partition("\t")
        return {"id": name, "text": text}

    return record


def _check(where: str, name: str) -> None:
    """Raise UserError where a name can be no id."""
    if not name.isprintable() or any(part in name for part in (" ", "/", "\\")) or len(name) > _LONGEST:
        said = f"ids have no blank, slash or control character and at most {_LONGEST} characters"
        raise UserError(f"{where}: query id {name!r:.80}: {said}; replace them, such as by '-'")


def _date(record: Mapping[str, Any], where: str) -> str:
    text = worded(record.get("date"))
    if not text:
        return ""
    parts = _ISO.fullmatch(text)
    try:
        return datetime.date(*map(int, parts.groups())).isoformat()  # type: ignore[union-attr]
    except (AttributeError, ValueError):
        raise UserError(f"{where}: date {text!r:.40} is not an ISO date; write YYYY-MM-DD") from None


def _codes(record: Mapping[str, Any], source: Source) -> list[str]:
    """Codes of a query, IPC's and CPC's, whose classes are the same, each once."""
    return list(dict.fromkeys(code for name in ("ipc", "cpc") for code in _parsed(record.get(name), source)))


def _parsed(value: Any, source: Source) -> Iterator[str]:
    entries = value if isinstance(value, list) else [] if absent(value) else re.split(r"[;|\n]+", str(value))
    for entry in map(str, entries):
        for part in [entry] if parse(entry) else entry.split(","):
            if code := parse(part):
                yield code
            elif not absent(part):
                source.report.count("codes of queries left out, no codes", repr(part.strip()))
