"""A row of BigQuery's patent tables as a publication: nested or flattened, its values typed or in strings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import orjson

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.cell_values import absent, rewritten, whole
from patent_embeddings.corpus.formats.dates import iso
from patent_embeddings.corpus.formats.publication import Citation, Publication, Text
from patent_embeddings.corpus.reading.source import Report

SECTIONS = ("title", "abstract", "claims", "description")
_TEXT = ("text", "language", "truncated")
# Columns of records, with what else of a record is read beside its first field, which is what a bare string stands for.
NESTED = {
    **dict.fromkeys((f"{section}_localized" for section in SECTIONS), _TEXT),
    **dict.fromkeys(SECTIONS, _TEXT),  # of other tables and queries: bare strings
    "ipc": ("code",),
    "cpc": ("code",),
    "citation": ("publication_number", "application_number", "npl_text", "type", "category"),
    "assignee_harmonized": ("name",),
    "assignee": ("name",),
    "priority_claim": ("application_number",),
}
COLUMNS = (
    "publication_number", "application_number", "country_code", "family_id", "publication_date",
    "priority_date", "code", "url", *NESTED,
)  # fmt: skip
_PAGE = "https://patents.google.com/patent/"
_FLAT = re.compile(rf"({'|'.join(NESTED)})(?:[._]+(\d+))?[._]+({'|'.join(set(sum(NESTED.values(), ())))})s?")
_SHORT_APPLICATION = re.compile(r"US-?(\d{4})(\d{6})-?(A\d)")  # BigQuery leaves out a zero that the page has
_BETWEEN_CODES = re.compile(r"\s*[;,|\n]\s*")
_SPREADSHEET = "was rewritten by a spreadsheet; export again, with that column as text"


def taken(names: Iterable[str]) -> list[str]:
    """Those columns that are read."""
    return [name for name in names if _column(name)[0] in COLUMNS]


def publication(row: dict[str, Any], place: str, path: str, report: Report) -> Publication | None:
    """What a row says; None where it names neither publication nor family, which the report counts.

    Raises UserError where a spreadsheet rewrote the family's id, or a value is of another kind than in the table.
    """
    where = f"{path}: {place}"
    try:
        return _publication(_nested(row, where), place, where, report)
    except (TypeError, AttributeError):
        said = "nested otherwise than the table, such as a list where it has a text"
        raise UserError(f"{where}: {said}; export the rows as they are, as JSON lines") from None


def _publication(row: dict[str, Any], place: str, where: str, report: Report) -> Publication | None:
    number = _text(row.get("publication_number"))
    family = _family(row.get("family_id"), where, alone=not number)
    if not number and not family:
        report.count("rows without publication number and family id, left out", where)
        return None
    one = Publication(
        place=place,
        numbers=[number or family],  # a row may have no other name
        family=family,
        title=_texts(row.get("title_localized") or row.get("title")),
        abstract=_texts(row.get("abstract_localized") or row.get("abstract")),
        claims=_texts(row.get("claims_localized") or row.get("claims")),
        description=_texts(row.get("description_localized") or row.get("description")),
        ipc=_codes(row.get("ipc")),
        cpc=_codes(row.get("cpc")) + list(_split(row.get("code"))),
        jurisdiction=_word(row.get("country_code")).upper(),
        url=_text(row.get("url")) or (_page(number) if number else ""),
        application=_text(row.get("application_number")),
        priorities=_values(row.get("priority_claim"), "application_number"),
        applicants=_values(row.get("assignee_harmonized"), "name") or _values(row.get("assignee"), "name"),
        priority=_date(row.get("priority_date"), report),
    )
    if date := _date(row.get("publication_date"), report):
        one.dates.append(date)
    for cited in row.get("citation") or ():
        _cite(one, cited, report)
    return one


def _nested(row: dict[str, Any], where: str) -> dict[str, Any]:
    """The row with every column of records as a list of them, whatever program flattened or printed it."""
    columns, nested = _columns(tuple(row))
    row = row if columns is None else _unflattened(row, columns)
    for field in nested:
        if (value := row[field]) and not (isinstance(value, list) and isinstance(value[0], dict)):
            row[field] = _records(value, field, where)
    return row


@lru_cache(maxsize=64)
def _columns(names: tuple[str, ...]) -> tuple[list[tuple[str, str, str]] | None, list[str]]:
    """What every column is, None where all are spelled as in the table; and which of their fields are nested."""
    found = [_column(name) for name in names]
    fields = [field for field, _, _ in found]
    return found if fields != list(names) else None, [field for field in NESTED if field in fields]


def _column(name: str) -> tuple[str, str, str]:
    """The field of a column, and number and part of the record where it holds a part of one."""
    plain = "_".join(name.casefold().split())
    parts = _FLAT.fullmatch(plain)
    return (parts[1], parts[2] or "", parts[3]) if parts else (plain, "", "")


def _unflattened(row: dict[str, Any], columns: list[tuple[str, str, str]]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    flat: dict[str, dict[str, dict[str, Any]]] = {}
    for value, (field, number, part) in zip(row.values(), columns, strict=True):
        if part:
            flat.setdefault(field, {}).setdefault(number, {})[part] = value
        else:
            plain[field] = value
    said = {
        field: [record for record in records.values() if not all(map(absent, record.values()))]
        for field, records in flat.items()
    }
    return said | plain


def _records(value: Any, field: str, where: str) -> list[dict[str, Any]]:
    """Records of a cell: bare strings, or a list as JSON or Python print it."""
    if isinstance(value, str) and field not in SECTIONS and value.lstrip()[:1] in ("[", "{"):
        value = _printed(value, f"{where}: column {field!r}")
    first = NESTED[field][0]
    some = value if isinstance(value, list) else [value]
    return [one if isinstance(one, dict) else {first: one} for one in some if isinstance(one, dict) or not absent(one)]


def _printed(text: str, where: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return ast.literal_eval(re.sub(r"\}\n \{", "}, {", text.strip()))  # numpy prints no commas
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise UserError(
            f"{where}: cannot read {text[:40]!r}; export as JSON lines, which keep nested columns"
        ) from None


def _text(value: Any) -> str:
    """A value as text, "" where it is absent. Raises TypeError where it is nested."""
    if isinstance(value, str):
        return "" if absent(value) else value.strip()
    if isinstance(value, (list, dict)):
        raise TypeError
    return "" if absent(value) else str(value)


_word = lru_cache(maxsize=1 << 16, typed=True)(_text)  # of values that many rows share


def _family(value: Any, where: str, *, alone: bool) -> str:
    """The family's id; -1, 0 and nothing mean none, but that a row with no other name may have the id 0."""
    text = whole(_text(value))
    if rewritten(text):
        raise UserError(f"{where}: family_id {text!r} {_SPREADSHEET}")
    return "" if text == "-1" or (text == "0" and not alone) else text


def _texts(records: Any) -> list[Text]:
    """The texts of a section in every language, or of its plain column; what spells absence is told by the merging."""
    return [
        Text(str(text), _word(one.get("language")), _word(one.get("truncated")).casefold() == "true")
        for one in records or ()
        if (text := one.get("text"))
    ]


def _codes(records: Any) -> list[str]:
    return [code for one in records or () for code in _split(one.get("code"))]


@lru_cache(maxsize=1 << 16, typed=True)
def _split(text: Any) -> tuple[str, ...]:
    """The codes of a cell; a query may have joined them."""
    return tuple(code for code in _BETWEEN_CODES.split(_text(text)) if code)


def _values(records: Any, part: str) -> list[str]:
    return [text for one in records or () if (text := _word(one.get(part)))]


def _page(number: str) -> str:
    short = _SHORT_APPLICATION.fullmatch(number)
    return f"{_PAGE}US{short[1]}0{short[2]}{short[3]}" if short else _PAGE + number.replace("-", "")


def _date(value: Any, report: Report) -> str:
    text = "" if value is None else whole(str(value))
    return "" if text == "0" else _sound_date(text) or iso(text, report)


@lru_cache(maxsize=1 << 15)
def _sound_date(text: str) -> str:
    return iso(text, Report())


def _cite(one: Publication, cited: dict[str, Any], report: Report) -> None:
    if number := _text(cited.get("publication_number")):
        category, kind = _word(cited.get("category")), _word(cited.get("type"))
        one.cites.append(Citation(number, f"{category} {kind}" if category and kind else category or kind))
    elif not absent(cited.get("npl_text")):
        one.literature += 1
        one.told ^= hash(str(cited["npl_text"]))
    elif application := _text(cited.get("application_number")):
        one.applications.append(application)
    else:
        report.count("citations that name nothing", one.numbers[0])
