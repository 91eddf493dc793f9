"""Read the user's own queries from a file; each is a text or a family of the landscape."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.corpus.cell_values import IDS, absent, cause, is_date, is_id, storable
from patent_embeddings.corpus.codes import parse
from patent_embeddings.corpus.publication_numbers import bare, marked, owners
from patent_embeddings.corpus.reading import records
from patent_embeddings.corpus.reading.source import Source

# Names of columns, in any case. Of several that a table has, the first one here is used.
DOCUMENT = ("family_id", "family id", "family", "publication_number", "publication number", "publication",
            "document", "doc_id", "docid", "corpus-id", "corpus_id", "patent")  # fmt: skip
QUERY = ("query_id", "query-id", "query id", "qid", "topic_id", "topic")
_TEXT = ("text", "query", "question", "title")
COLUMNS: records.Columns = {
    "id": (*QUERY, "_id", "id", *DOCUMENT), "text": _TEXT, "ipc": ("ipc",), "cpc": ("cpc",), "date": ("date",)
}  # fmt: skip
FORMS = "a table with the columns query_id and text, or lines of an id, a tab and a text"
_ISO = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})(?:[ T]00:00:00.*)?")
# Several words, unlike an id, but not a row of a table without a header (`q1,a pump`). Locants of chemical names, such
# as `1,3-butadiene` and `N,N'-`, may come first.
_LOCANTS = r"(?:[0-9]+[a-z]?|[A-Z])['′]*(?:,(?:[0-9]+[a-z]?|[A-Z])['′]*)+-"
_QUESTION = re.compile(rf"(?:{_LOCANTS}|(?![^\s,;]*[,;]\S))\S+\s+\S.*")
_SPELLED = re.compile(r"[A-Za-z]{2}[\W_]*[A-Za-z]{0,2}[\W\d_]*[0-9][\W\d_]*(?:[A-Za-z][0-9]?)?")
_FEWEST = 4  # digits of a publication number


@dataclass
class Pool:
    """The families of a landscape by id and publication number."""

    families: frozenset[str]
    numbers: dict[str, str] = field(default_factory=dict)  # marked number -> family id; "" if several have it

    @classmethod
    def of(cls, families: pd.DataFrame, also: Mapping[str, str]) -> Pool:
        """From rows of `FAMILIES`; `also`: marked number -> family id, for publications that these do not list."""
        pool = cls(frozenset(families["family_id"]))
        pool.numbers = {**also, **owners(zip(families["family_id"], families["publications"], strict=True))}
        return pool

    def family(self, name: str) -> str:
        """The family with this id, or with a member of this publication number in any spelling; "" if there is none."""
        return name if name in self.families else self.numbers.get(marked(name), "")

    def shared(self, name: str) -> bool:
        """Whether several families have this publication number."""
        return self.numbers.get(marked(name)) == ""

    def required(self, name: str) -> str:
        """The same as `family`. Raises UserError if there is none, or several families have the number."""
        if family := self.family(name):
            return family
        if self.shared(name):
            mend = "name one by its family id"
            raise UserError(f"{name!r:.80}: several families of the landscape have this number; {mend}")
        near = nearest(bare(name) or name, [*self.families, *self.numbers])
        raise UserError(f"{name!r:.80}: no family of the landscape has this id or number{cause(name)}{near}; check it")


@dataclass(frozen=True)
class Query:
    """A query: a text, or a family."""

    id: str
    text: str  # "" if it is a family
    family: str  # "" if it is a text
    codes: list[str]  # distinct IPC and CPC codes, which have the same classes
    date: str  # ISO or ""


def read(path: Path, pool: Pool) -> tuple[list[Query], dict[str, Any]]:
    """Read the queries of a file, in its order, and notes.

    The file is a table, JSON, or lines. A line is an id, a tab and a text; or the id of a family or a publication
    number; or else, if it has several words, a question, whose id is `q` with the number of the line, empty ones not
    counted. Raises UserError if the file is unreadable, or a query has neither a text nor a family, has both, is given
    twice, or has an invalid id.
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
        elif not storable(text):
            said = f"the text of query {name!r:.80} has a NUL character or half of a surrogate pair"
            raise UserError(f"{where}: {said}; write the whole character")
        elif not is_id(name):
            raise UserError(f"{where}: query id {name!r:.80}: {IDS}")
        else:
            found.append(Query(name, text, "", _codes(record, source), _date(record, where)))
    if not found:
        raise UserError(f"{path}: no query in it; write {FORMS}")
    return found, source.report.notes() | ({"columns of the queries ignored": [*unread]} if unread else {})


def worded(value: Any) -> str:
    """A cell as text with single blanks; "" if it is absent."""
    return "" if absent(value) else " ".join(str(value).split())


def asks(text: str) -> bool:
    """Whether a line is a question: several words that are not a publication number."""
    return bool(_QUESTION.fullmatch(text)) and not spelled(text)


def spelled(text: str) -> bool:
    """Whether a text looks like a publication number: an office, digits, perhaps a kind code. `CO2` does not."""
    return bool(_SPELLED.fullmatch(text)) and sum(sign.isdigit() for sign in text) >= _FEWEST


def _line(pool: Pool) -> Callable[[str], dict[str, Any]]:
    """A function that makes a record of a line: an id; an id, a tab and a text; or a question."""
    number = itertools.count(1)

    def record(line: str) -> dict[str, Any]:
        own, words = f"q{next(number)}", worded(line)
        numbered = re.match(rf"{own}\b", words, re.IGNORECASE)  # `q1 a pump` has an id that no tab follows
        if "\t" not in line and not pool.family(words) and asks(words) and not numbered:
            return {"id": own, "text": words}
        name, _, text = line.partition("\t")
        return {"id": name, "text": text}

    return record


def _date(record: Mapping[str, Any], where: str) -> str:
    text = worded(record.get("date"))
    parts = _ISO.fullmatch(text)
    date = "-".join(parts.groups()) if parts else text
    if date and not is_date(date):
        raise UserError(f"{where}: date {text!r:.40} is not an ISO date; write YYYY-MM-DD")
    return date


def _codes(record: Mapping[str, Any], source: Source) -> list[str]:
    """Distinct IPC and CPC codes of a query; their classes are the same."""
    return list(dict.fromkeys(code for name in ("ipc", "cpc") for code in _parsed(record.get(name), source)))


def _parsed(value: Any, source: Source) -> Iterator[str]:
    entries = value if isinstance(value, list) else [] if absent(value) else re.split(r"[;|\n]+", str(value))
    for entry in map(str, entries):
        for part in [entry] if parse(entry) else entry.split(","):
            if code := parse(part):
                yield code
            elif not absent(part):
                source.report.count("codes of queries left out, no codes", repr(part.strip()))
