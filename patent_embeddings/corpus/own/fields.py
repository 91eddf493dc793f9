"""Columns of our own form: their names, the values they may hold, and the messages for others."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.corpus.cell_values import IDS, absent, is_date, is_id, rewritten, storable

REQUIRED = ("family_id", "title", "abstract")
DATES = ("date", "priority")
TEXTS = ("title", "abstract", "claims", "description", "jurisdiction", *DATES, "publication", "url")
LISTS = ("ipc", "cpc", "labels", "domains", "publications", "applicants", "cites", "categories")
COLUMNS = ("family_id", *TEXTS, *LISTS)
# Words in column names that hint at a column of ours; nothing is read under another name.
_WORDS = {
    "family_id": "family id docdb",
    "title": "title titles",
    "abstract": "abstract abstracts summary",
    "claims": "claim claims",
    "description": "description descriptions fulltext",
    "ipc": "ipc ipcr ipcs",
    "cpc": "cpc cpcs",
    "date": "date dates",
    "jurisdiction": "jurisdiction country office",
    "labels": "label labels topic category tags",
    "cites": "cites cited citation citations refs reference references",
    "domains": "domain domains nice",
    "priority": "priority",
    "applicants": "applicant applicants assignee assignees",
    "url": "url link",
}
WORDS = {word: column for column, words in _WORDS.items() for word in words.split()}
_SEARCHED = 1000  # columns among which hints are looked for
_KINDS = {
    str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object",
    bytes: "binary",
}  # fmt: skip


class Fault(Exception):
    """A fault in one record, and the mend."""


@contextmanager
def placed(path: Path, place: str) -> Iterator[None]:
    """Turn a Fault into a UserError with file and place."""
    try:
        yield
    except Fault as fault:
        raise UserError(f"{path}: {place}: {fault}") from None


@dataclass
class Reading:
    """What a reader learns of a file."""

    path: Path
    header: list[str] = field(default_factory=list)  # columns of a table; empty for JSON
    flat: bool = False  # lists are text in a cell
    ignored: set[str] = field(default_factory=set)
    notes: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)  # notes kept in the file itself
    absent: Counter[str] = field(default_factory=Counter)  # column -> number of cells that spell absence
    ids: set[str] = field(default_factory=set)  # of the families
    spelled: str = ""  # the first cell that spells absence

    def takes(self, names: list[str]) -> list[str]:
        """Keep the header. Raises UserError where a column occurs twice or is missing."""
        twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
        if twice:
            raise UserError(f"{self.path}: column {twice[0]!r:.60} is given twice; keep one of them")
        with placed(self.path, "header"):
            required(dict.fromkeys(names))
        self.header, self.ignored = names, set(names) - set(COLUMNS) - {""}
        return names

    def nothing(self, name: str, value: Any) -> bool:
        """Whether a cell or entry spells absence; `nan` in `cites` does not where it is the id of a family."""
        return absent(value) and not (name == "cites" and isinstance(value, str) and value.strip() in self.ids)

    def blank(self, name: str, value: Any) -> bool:
        """As `nothing`, and counts cells and entries that spell it out, with the first as the example."""
        nothing = self.nothing(name, value)
        if nothing and isinstance(value, str) and value.strip():
            self.absent[name] += 1
            self.spelled = self.spelled or value.strip()
        return nothing


def required(columns: Collection[str]) -> None:
    """Raise a Fault where a required column is missing."""
    for name in REQUIRED:
        if name not in columns:
            names = list(columns)
            others = [key for key in names[:_SEARCHED] if key not in COLUMNS]
            close = ", ".join([shown(other) for other in others if name in hints(other)][:3])
            hint = nearest(name, list(map(shown, others))) or (f" (did you mean {close}?)" if close else "")
            has = f"; there are {', '.join(map(shown, names[:8]))}{', ...' if len(names) > 8 else ''}" if names else ""
            raise Fault(f"column {name!r} is missing{hint}; every family needs {', '.join(REQUIRED)}{has}")


def hints(name: str) -> list[str]:
    """Columns of ours that another name may mean: `Publication Date` may be date."""
    words = re.findall(r"[a-z]+", name.lower()) if len(name) < 40 else []
    return sorted({WORDS[word] for word in words if word in WORDS}) if len(words) < 5 else []


def shown(name: str) -> str:
    """A column name for messages: printable and short."""
    return ascii(name)[1:-1][:60]


def family(record: dict[str, Any], file: Reading) -> dict[str, Any]:
    """A record as a family with all of `COLUMNS`. Raises Fault; the reading counts what spells absence."""
    texts = {name: _text(name, record.get(name), file) for name in TEXTS}
    record = record | _categorised(record, file)
    lists = {name: _list(name, record.get(name), file) for name in LISTS}
    for name in DATES:
        if (date := texts[name]) and not is_date(date):
            raise Fault(f"{name} {date!r:.40} is not an ISO date; write YYYY-MM-DD, or leave it empty")
    return {"family_id": record["family_id"], **texts, **lists}


def _categorised(record: dict[str, Any], file: Reading) -> dict[str, Any]:
    """Cites and their categories without absent entries; {} where there are no categories. Raises Fault."""
    cites, categories = record.get("cites"), record.get("categories")
    if not isinstance(categories, list) or not categories:
        return {}
    cites = [] if file.nothing("cites", cites) else cites
    if not isinstance(cites, list):
        return {}  # `_list` refuses it
    kept = [place for place, cited in enumerate(cites) if not file.nothing("cites", cited)]
    if len(categories) == len(cites):
        categories = [categories[place] for place in kept]
    if len(categories) != len(kept):
        mend = "give each of cites one, an empty one where it has none"
        raise Fault(f"{len(categories):,} categories, but {len(cites):,} cites; {mend}")
    return {"cites": [cites[place] for place in kept], "categories": ["" if absent(one) else one for one in categories]}


def identifier(value: Any) -> str:
    """The family id in a cell. Raises Fault where it cannot be one."""
    if absent(value) and not (isinstance(value, str) and value.strip()):
        raise Fault("family_id is empty; give every family an id")
    text = _id("family_id", value)
    if absent(text) and not any(map(str.isalnum, text)):  # `nan` may be an id, a dash in `cites` is none
        raise Fault(f"family_id {text!r:.80} means an empty cell in other columns; give every family another id")
    if not is_id(text):
        raise Fault(f"family_id {text!r:.80}: {IDS}")
    return text


def _id(name: str, value: Any) -> str:
    """An id as text; a whole number as its digits. Raises Fault where a number has lost its spelling."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        lost = f"the decimal number {value!r}: as an id it has lost its spelling; write ids as text"
        raise Fault(f"column {name!r} holds {lost}")
    text = _letters(name, value)
    if rewritten(text):
        lost = "a spreadsheet rewrote an id as a number and its digits are lost; export again with ids as text"
        raise Fault(f"column {name!r} has {text!r:.40}: {lost}")
    return text


def _text(name: str, value: Any, file: Reading) -> str:
    if file.blank(name, value):
        return ""
    if name in DATES and isinstance(value, datetime.date):
        return value.isoformat()[:10]
    return _id(name, value).strip() if name == "publication" else _letters(name, value)


def _letters(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Fault(f"column {name!r} is {kind(value)}, expected text; write it as text")
    if not storable(value):
        what = "a NUL character" if "\0" in value else "half of a surrogate pair"
        raise Fault(f"column {name!r} has {what}; remove it, or write the whole character")
    return value


def _list(name: str, value: Any, file: Reading) -> list[str]:
    if file.blank(name, value):
        return []
    if not isinstance(value, list):
        raise Fault(f"column {name!r} is {kind(value)}, expected a list of texts; write it as a list")
    kept = value if name == "categories" else [part for part in value if not file.blank(name, part)]
    if name in ("cites", "publications"):
        return [_id(name, part).strip() for part in kept]
    if name != "categories" and not all(isinstance(part, str) for part in kept):
        raise Fault(f"column {name!r} holds an entry that is no text; leave it out or write it as text")
    return [_letters(name, part).strip() for part in kept]


def kind(value: Any) -> str:
    """The type of a value, in words."""
    return _KINDS.get(type(value), f"a {type(value).__name__}")
