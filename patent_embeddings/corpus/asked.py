"""Queries and judgements of the user's own: read from files as people have them, and kept."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from patent_embeddings.core import tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.codes import parse
from patent_embeddings.corpus.families import absent
from patent_embeddings.corpus.numbers import bare, is_number
from patent_embeddings.corpus.reading import records
from patent_embeddings.corpus.reading.source import Source
from patent_embeddings.corpus.schemas import ASKED, RELATIONS

# Names that a column may have; case does not count. The first that there is holds the value.
_DOCUMENT = ("family_id", "family", "publication_number", "publication number", "publication", "document", "doc_id",
             "docid", "corpus-id", "corpus_id", "patent")  # fmt: skip
_QUERY = ("query_id", "query-id", "query id", "qid", "topic_id", "topic")
_TEXT = ("text", "query", "question", "title")
_GRADE = ("relevance", "grade", "rel", "score", "label")
ASKING: records.Columns = {
    "id": (*_QUERY, "_id", "id", *_DOCUMENT), "text": _TEXT, "ipc": ("ipc",), "cpc": ("cpc",), "date": ("date",)
}  # fmt: skip
JUDGING: records.Columns = {"query": (*_QUERY, "query"), "document": _DOCUMENT, "grade": _GRADE}
_ISO = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})(?:[ T]00:00:00.*)?")
_SCIENTIFIC = re.compile(r"[0-9]+(?:[.,][0-9]+)?E\+?[0-9]+", re.IGNORECASE)  # 1E+05
_UNKNOWN, _SHARED = "that no family of the landscape is", "whose number several families have"
_LONGEST = 200  # characters of an id


@dataclass
class _Pool:
    """The families of a landscape, by whatever names them."""

    families: frozenset[str]
    numbers: dict[str, str] = field(default_factory=dict)  # bare number -> family id; "" where several have it

    @classmethod
    def of(cls, families: pd.DataFrame, also: Mapping[str, str]) -> _Pool:
        pool = cls(frozenset(families["family_id"]))
        for family, publications in zip(families["family_id"], families["publications"], strict=True):
            numbers = [*publications, *([family] if is_number(family) else [])]  # other ids have one spelling
            for number in filter(None, map(bare, numbers)):
                pool.numbers[number] = family if pool.numbers.get(number, family) == family else ""
        pool.numbers = {**also, **pool.numbers}
        return pool

    def family(self, name: str) -> str:
        """The family of an id or of a member's publication number in any spelling; "" where there is none."""
        return name if name in self.families else self.numbers.get(bare(name), "")

    def shared(self, name: str) -> bool:
        """Whether several families have a number."""
        return self.numbers.get(bare(name)) == ""


def read(
    queries: Path | None, qrels: Path, families: pd.DataFrame, also: Mapping[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """The queries of a file that are no families, and the judgements of another.

    Args:
        queries: ids with texts, or ids of families, or numbers of publications; None: the queries are families.
        qrels: who judged what to be relevant to which query, and how much.
        families: rows of `FAMILIES`.
        also: bare number -> family id, of publications that the families do not list.

    Returns:
        Rows of `ASKED`, rows of `RELATIONS` without scopes, and what was counted.

    Raises:
        UserError: a file cannot be read or is of no known form; a query has neither a text nor a family, or both; a
            grade is no whole number; no document that is judged is a family, or none is relevant.
    """
    pool = _Pool.of(families, also)
    asking, named, notes = _queries(queries, pool) if queries else (tables.empty(ASKED), {}, {})
    relations, counted = _relations(qrels, pool, named if queries else None)
    judged, found = (set(rows["query_id"]) for rows in (relations, relations[relations["relevance"] > 0]))
    for what, lacking in (
        ("queries that nobody judged anything for, not scored", sorted(set(named.values()) - judged)),
        ("queries without a relevant family, not scored", sorted(judged - found)),
    ):
        if lacking:
            notes[what] = f"{len(lacking):,}, such as {lacking[0]!r}"
    return asking, relations, notes | counted


def _queries(path: Path, pool: _Pool) -> tuple[pd.DataFrame, dict[str, str], dict[str, Any]]:
    """Rows of `ASKED`; by whatever names a query its own id or that of its family; and what was counted."""
    source = Source(path)
    rows: list[tuple[str, str, list[str], str]] = []
    named: dict[str, str] = {}
    places: dict[str, str] = {}
    unread: dict[str, None] = {}
    for place, record in records.read(source, ASKING, "id", _asked, _ASKED_FORMS):
        unread |= dict.fromkeys(record.get(records.UNREAD, ()))
        where, name, text = f"{path}: {place}", _text(record.get("id")), _text(record.get("text"))
        family = pool.family(name) if name else ""
        if not name:
            raise UserError(f"{where}: the query has no id; give every query one")
        if text and family:
            said = f"query {name!r:.80} has a text, and its id names a family of the landscape"
            raise UserError(f"{where}: {said}; leave the text out, or give the query another id")
        if not text and not family:
            said = f"query {name!r:.80} has no text and is no family of the landscape"
            raise UserError(f"{where}: {said}; write {_ASKED_FORMS}")
        first = places.setdefault(family or name, place)
        if first != place:
            raise UserError(f"{where}: query {name!r:.80} is also in {first}; give every query once")
        named |= {name: family or name, family or name: family or name}
        if not family:
            _check(where, name)
            rows.append((name, text, _codes(record, source), _date(record, where)))
    if not named:
        raise UserError(f"{path}: no query in it; write {_ASKED_FORMS}")
    frame = tables.typed(pd.DataFrame(sorted(rows), columns=list(ASKED.columns)), ASKED)
    return frame, named, source.report.notes() | ({"columns of the queries ignored": [*unread]} if unread else {})


_ASKED_FORMS = "a table with the columns query_id and text, or lines of an id, a tab and a text"
_JUDGED_FORMS = (
    "a table with the columns query_id, family_id and relevance, or lines as TREC has them: query 0 family 1"
)


def _asked(line: str) -> dict[str, str]:
    """A line of a list of queries: an id, or an id, a tab and a text."""
    name, _, text = line.partition("\t")
    return {"id": name, "text": text}


def _judged(line: str) -> dict[str, str] | None:
    """A line of TREC's qrels; ids may hold blanks, as numbers of publications do. None where it is none."""
    parts = [part.strip() for part in line.split("\t")] if line.count("\t") == 3 else line.split()
    if len(parts) < 4:
        return None
    at = 1 if len(parts) == 4 else next((i for i in range(1, len(parts) - 2) if parts[i] in ("0", "Q0")), 0)
    query, document = " ".join(parts[:at]), " ".join(parts[at + 1 : -1])
    return {"query": query, "document": document, "grade": parts[-1]} if at else None


def _relations(path: Path, pool: _Pool, named: Mapping[str, str] | None) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows of `RELATIONS` and what was counted; `named` as `_queries` has them, None where queries are families."""
    source = Source(path)
    report = source.report
    grades: dict[tuple[str, str], int] = {}
    graded = set()
    for place, record in records.read(source, JUDGING, "document", _judged, _JUDGED_FORMS):
        where = f"{path}: {place}"
        asked, document = _text(record.get("query")), _text(record.get("document"))
        if not asked or not document:
            raise UserError(f"{where}: no {'document' if asked else 'query'} is named; write {_JUDGED_FORMS}")
        graded.add("grade" in record)
        if False in graded and (record.get(records.UNREAD) or len(graded) > 1):
            others = ", ".join(record.get(records.UNREAD, []))
            said = (
                f"no column {_GRADE[0]!r}{f', though there are {others:.80}' if others else ', though others have it'}"
            )
            raise UserError(f"{where}: {said}; name the grades so, or keep only the columns of query and family")
        grade = _grade(record.get("grade", "1"), where)
        query = pool.family(asked) if named is None else named.get(asked) or named.get(pool.family(asked), "")
        if not query and named is None:
            said = f"query {asked!r:.80} is no family of the landscape"
            raise UserError(f"{where}: {said}; name a family, or give the texts of the queries with --queries")
        family = pool.family(document)
        if not query:
            report.count(
                "judgements of queries that are not among the queries, left out", f"{asked}{_rewritten(asked)}"
            )
        elif not family:
            what = _SHARED if pool.shared(document) else _UNKNOWN
            report.count(f"judged documents {what}, left out", f"{document!r} for {asked!r}{_rewritten(document)}")
        elif family == query:
            report.count("judgements of a query's own family, left out", asked)
        else:
            before = grades.get((query, family))
            if before is not None:
                what = "given twice, counted once" if before == grade else "with two grades, of which the higher counts"
                report.count(f"judgements of one family {what}", f"{family!r} for {query!r}")
            grades[query, family] = grade if before is None else max(before, grade)
    if not grades:
        lost = "; ".join(f"{what}: {value}" for what, value in report.notes().items() if "left out" in what)
        if not lost:
            raise UserError(f"{path}: no judgement in it; write {_JUDGED_FORMS}")
        mend = "name families by id or number, and queries as their file does"
        raise UserError(f"{path}: no judgement remains ({lost}); {mend}")
    if max(grades.values()) < 1:
        raise UserError(f"{path}: none of {len(grades):,} judgements is relevant; a grade of 1 or more says so")
    if False in graded:
        report.count("documents named without a grade, taken for relevant", number=len(grades))
    rows = [(*pair, grade, "unknown") for pair, grade in sorted(grades.items())]
    counts = sorted(Counter(grades.values()).items())
    given = {"judgements by grade": ", ".join(f"{count:,} of {grade}" for grade, count in counts)}
    return tables.typed(pd.DataFrame(rows, columns=list(RELATIONS.columns)), RELATIONS), {**given, **report.notes()}


def _rewritten(name: str) -> str:
    """What there is to say of an id that a spreadsheet has rewritten."""
    return ", which a spreadsheet rewrote" if _SCIENTIFIC.fullmatch(name) else ""


def _text(value: Any) -> str:
    return "" if absent(value) else " ".join(str(value).split())


def _grade(value: Any, where: str) -> int:
    """A grade of 0 or more; negative ones are judged and not relevant."""
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?[0-9]{1,9}(\.0+)?", text):
        raise UserError(f"{where}: the grade {text!r:.40} is no whole number; write 0, 1, 2, ...")
    return max(0, int(float(text)))


def _check(where: str, name: str) -> None:
    """Raise UserError where a name can be no id."""
    if not name.isprintable() or any(part in name for part in (" ", "/", "\\")) or len(name) > _LONGEST:
        said = f"ids have no blank, slash or control character and at most {_LONGEST} characters"
        raise UserError(f"{where}: query id {name!r:.80}: {said}; replace them, such as by '-'")


def _date(record: Mapping[str, Any], where: str) -> str:
    text = _text(record.get("date"))
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
