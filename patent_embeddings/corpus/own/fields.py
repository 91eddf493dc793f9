"""Fields of a family as files hold them: their names, what they may be, and what is said of what they may not."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.corpus.cell_values import absent, is_date, rewritten
from patent_embeddings.corpus.reading.source import Source

REQUIRED = ("family_id", "title", "abstract")
DATES = ("date", "priority")
TEXTS = ("title", "abstract", "claims", "description", "jurisdiction", *DATES, "publication", "url")
LISTS = ("ipc", "cpc", "labels", "domains", "publications", "applicants", "cites", "categories")
COLUMNS = ("family_id", *TEXTS, *LISTS)
# Words in the name of a column that say what it may be, for hints: nothing is read under another name.
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
SEARCHED = 1000  # columns among which one that is missing is looked for
_KINDS = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    bytes: "binary",
}


class Fault(Exception):
    """What is wrong with one record, and the mend."""

    def at(self, path: Path, place: str) -> UserError:
        """The fault as it is told, with its file and place."""
        return UserError(f"{path}: {place}: {self}")


@dataclass
class Reading:
    """What is learnt of a file while it is read."""

    path: Path
    header: list[str] = field(default_factory=list)  # its columns, where they are named once for all
    flat: bool = False  # cells hold lists as text
    ignored: set[str] = field(default_factory=set)
    notes: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)  # notes that the file itself holds
    absent: Counter[str] = field(default_factory=Counter)  # column -> cells that spell absence
    ids: set[str] = field(default_factory=set)  # of the families
    spelled: str = ""  # the first cell that spells absence
    expanded: int = 0  # bytes that it was unpacked to

    @cached_property
    def limit(self) -> int:
        """Bytes that it may expand to: what it holds has to fit in memory."""
        return Source(self.path).limit

    def expands(self, size: int) -> None:
        """Count bytes that it was unpacked to. Raises UserError beyond its limit."""
        self.expanded += size
        if self.expanded > self.limit:
            said = f"{self.limit >> 20:,} MiB from {self.path.stat().st_size:,} bytes, as no text does"
            raise UserError(f"{self.path}: expands to more than {said}; compress or copy it again")

    def takes(self, names: list[str]) -> list[str]:
        """Keep the header. Raises UserError where a column stands in it twice, or one is missing."""
        twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
        if twice:
            raise UserError(f"{self.path}: column {twice[0]!r:.60} is given twice; keep one of them")
        try:
            required(dict.fromkeys(names))
        except Fault as fault:
            raise fault.at(self.path, "header") from None
        self.header, self.ignored = names, set(names) - set(COLUMNS) - {""}
        return names

    def nothing(self, name: str, value: Any) -> bool:
        """Whether a cell or entry stands for nothing: `nan` is cited where a family is called so."""
        return absent(value) and not (name == "cites" and isinstance(value, str) and value.strip() in self.ids)

    def spells_absence(self, name: str, texts: list[str]) -> None:
        """Count cells or entries that spell absence, and keep the first."""
        if texts:
            self.absent[name] += len(texts)
            self.spelled = self.spelled or texts[0].strip()


def required(columns: Collection[str]) -> None:
    """Raise a Fault where a column is missing that every family needs."""
    for name in REQUIRED:
        if name not in columns:
            names = list(columns)
            others = [key for key in names[:SEARCHED] if key not in COLUMNS]
            close = ", ".join([shown(other) for other in others if name in hints(other)][:3])
            hint = nearest(name, list(map(shown, others))) or (f" (did you mean {close}?)" if close else "")
            has = f"; there are {', '.join(map(shown, names[:8]))}{', ...' if len(names) > 8 else ''}" if names else ""
            raise Fault(f"column {name!r} is missing{hint}; every family needs {', '.join(REQUIRED)}{has}")


def hints(name: str) -> list[str]:
    """Known columns that another name may stand for: `Publication Date` for date."""
    words = re.findall(r"[a-z]+", name.lower()) if len(name) < 40 else []
    return sorted({WORDS[word] for word in words if word in WORDS}) if len(words) < 5 else []


def shown(name: str) -> str:
    """The name of a column as it stands in messages."""
    return ascii(name)[1:-1][:60]


def family(record: dict[str, Any], file: Reading) -> dict[str, Any]:
    """A record as a family with every column of `COLUMNS`. Raises Fault; the reading counts what spells absence."""
    for name, value in record.items():
        if name != "family_id" and isinstance(value, str) and value.strip() and absent(value):
            file.spells_absence(name, [value])
    texts = {name: _text(name, record.get(name)) for name in TEXTS}
    record = record | _said(record, file)
    lists = {name: _list(name, record.get(name), file) for name in LISTS}
    for name in DATES:
        if (date := texts[name]) and not is_date(date):
            raise Fault(f"{name} {date!r:.40} is not an ISO date; write YYYY-MM-DD, or leave it empty")
    return {"family_id": record["family_id"], **texts, **lists}


def _said(record: dict[str, Any], file: Reading) -> dict[str, Any]:
    """What it cites and a category of each, those that stand for nothing left out of both."""
    cites, said = record.get("cites"), record.get("categories")
    if not isinstance(said, list) or not said:
        return {}
    cites = [] if file.nothing("cites", cites) else cites
    if not isinstance(cites, list):
        return {}  # which is refused as a list
    kept = [place for place, cited in enumerate(cites) if not file.nothing("cites", cited)]
    if len(said) == len(cites):
        said = [said[place] for place in kept]
    if len(said) != len(kept):
        mend = "give each of cites one, an empty one where nothing is said"
        raise Fault(f"{len(said):,} categories, but {len(cites):,} cites; {mend}")
    return {"cites": [cites[place] for place in kept], "categories": ["" if absent(one) else one for one in said]}


def identifier(value: Any) -> str:
    """The id that a cell holds. Raises Fault where it can be none."""
    if absent(value) and not (isinstance(value, str) and value.strip()):
        raise Fault("family_id is empty; give every family an id")
    text = _id("family_id", value)
    if absent(text) and not any(map(str.isalnum, text)):  # `nan` may be an id, a dash in `cites` is none
        raise Fault(f"family_id {text!r:.80} stands for nothing in other columns; give every family another id")
    if not text.isprintable() or any(part in text for part in (" ", "/", "\\")) or len(text) > 200:
        said = "ids have no blank, slash or control character and at most 200 characters; replace them, such as by '-'"
        raise Fault(f"family_id {text!r:.80}: {said}")
    return text


def _id(name: str, value: Any) -> str:
    """An id as it is spelled; a whole number by its digits, of which there is one spelling."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        said = f"the decimal number {value!r}: as an id it has lost its spelling; write ids as text"
        raise Fault(f"column {name!r} holds {said}")
    text = _letters(name, value)
    if rewritten(text):
        said = "a spreadsheet rewrote an id as a number and its digits are lost; export again with ids as text"
        raise Fault(f"column {name!r} has {text!r:.40}: {said}")
    return text


def _text(name: str, value: Any) -> str:
    if name in DATES and isinstance(value, datetime.date):
        return value.isoformat()[:10]
    if name == "publication" and not absent(value):
        return _id(name, value).strip()
    return "" if absent(value) else _letters(name, value)


def _letters(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Fault(f"column {name!r} is {kind(value)}, expected text; write it as text")
    if "\0" in value:
        raise Fault(f"column {name!r} has a NUL character; remove it")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise Fault(f"column {name!r} has half of a surrogate pair; write the whole character") from None
    return value


def _list(name: str, value: Any, file: Reading) -> list[str]:
    if file.nothing(name, value):
        return []
    if not isinstance(value, list):
        raise Fault(f"column {name!r} is {kind(value)}, expected a list of texts; write it as a list")
    if name == "categories":
        return [_letters(name, part).strip() for part in value]
    kept = [part for part in value if not file.nothing(name, part)]
    blank = [part for part in value if isinstance(part, str) and file.nothing(name, part)]
    file.spells_absence(name, [part for part in blank if part.strip()])
    if name in ("cites", "publications"):
        return [_id(name, part).strip() for part in kept]
    if not all(isinstance(part, str) for part in kept):
        raise Fault(f"column {name!r} holds an entry that is no text; leave it out or write it as text")
    return [_text(name, part).strip() for part in kept]


def kind(value: Any) -> str:
    """What a value is, in words."""
    return _KINDS.get(type(value), f"a {type(value).__name__}")
