"""A row of BigQuery's patent tables as a publication; nested or flattened, with typed values or strings."""

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
_PROSE = ("text", "npl_text")  # a bracket in these begins no list
# Columns of records, with the fields of a record that are read; a bare string stands for the first of them.
NESTED = {
    **dict.fromkeys((f"{section}_localized" for section in SECTIONS), _TEXT),
    **dict.fromkeys(SECTIONS, _TEXT),  # bare strings, of other tables and of queries
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
# Columns of Google's tables that are not read, whole or in parts of their records.
_OTHERS = (
    "kind_code", "application_kind", "application_number_formatted", "pct_number", "spif_publication_number",
    "spif_application_number", "claims_localized_html", "description_localized_html", "filing_date", "grant_date",
    "inventor", "inventor_harmonized", "examiner", "uspc", "fi", "fterm", "locarno", "parent", "child", "entity_status",
    "art_unit", "title_translated", "abstract_translated", "cpc_low", "cpc_inventive_low", "top_terms", "similar",
    "country", "publication_description", "cited_by", "embedding_v1",
)  # fmt: skip
_PART = re.compile(rf"(?:{'|'.join(_OTHERS)}|(?:{'|'.join(NESTED)})[._]+[0-9]+)(?:[._].*)?")
_PAGE = "https://patents.google.com/patent/"
_FLAT = re.compile(rf"({'|'.join(NESTED)})(?:[._]+(\d+))?[._]+({'|'.join(set(sum(NESTED.values(), ())))})s?")
_SHORT_APPLICATION = re.compile(r"US-?(\d{4})(\d{6})-?(A\d)")  # BigQuery leaves out a zero that the page has
_BETWEEN = re.compile(r"\s*[;,|\n]\s*")
_SPREADSHEET = "was rewritten by a spreadsheet; export again, with that column as text"


def taken(names: Iterable[str]) -> list[str]:
    """The columns that are read."""
    return [name for name in names if _column(name)[0] in COLUMNS]


@lru_cache(maxsize=64)
def unread(names: tuple[str, ...]) -> list[str]:
    """The columns that are not Google's, such as those that a query named itself."""
    return [name for name in names if name and _column(name)[0] not in COLUMNS and not _PART.fullmatch(_plain(name))]


def publication(row: dict[str, Any], place: str, path: str, report: Report) -> Publication | None:
    """A row as a publication; None where it has neither publication number nor family id, which the report counts.

    Raises UserError where a spreadsheet rewrote the family id, or a value is nested in another way than in the table.
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
        numbers=[number or family],  # a query may leave out the number
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
    """The row with a list of records in every nested column, also where a program flattened or printed them."""
    columns, nested = _columns(tuple(row))
    row = row if columns is None else _unflattened(row, columns, where)
    for field in nested:
        if (value := row[field]) and not (isinstance(value, list) and isinstance(value[0], dict)):
            row[field] = _records(value, field, where)
    return row


@lru_cache(maxsize=64)
def _columns(names: tuple[str, ...]) -> tuple[list[tuple[str, str, str]] | None, list[str]]:
    """Field, number and part of every column, or None where all are spelled as in the table; and the nested fields."""
    found = [_column(name) for name in names]
    fields = [field for field, _, _ in found]
    return found if fields != list(names) else None, [field for field in NESTED if field in fields]


def _plain(name: str) -> str:
    return "_".join(name.casefold().split())


def _column(name: str) -> tuple[str, str, str]:
    """The field of a column; if it is flattened, also the number of the record and the part that it holds."""
    plain = _plain(name)
    parts = _FLAT.fullmatch(plain)
    return (parts[1], parts[2] or "", parts[3]) if parts else (plain, "", "")


def _unflattened(row: dict[str, Any], columns: list[tuple[str, str, str]], where: str) -> dict[str, Any]:
    """The row with flattened columns joined to records; a cell may list the parts of several records."""
    plain: dict[str, Any] = {}
    flat: dict[str, dict[tuple[str, int], dict[str, Any]]] = {}
    for (name, value), (field, number, part) in zip(row.items(), columns, strict=True):
        if part:
            if part not in _PROSE and isinstance(value, str) and value.lstrip().startswith("["):
                value = _printed(value, f"{where}: column {name!r}")
            records = flat.setdefault(field, {})
            for place, one in enumerate(value if isinstance(value, list) else [value]):
                records.setdefault((number, place), {})[part] = one
        else:
            plain[field] = value
    nested = {
        field: [record for record in records.values() if not all(map(absent, record.values()))]
        for field, records in flat.items()
    }
    return nested | plain


def _records(value: Any, field: str, where: str) -> list[dict[str, Any]]:
    """Records of a cell: bare strings, or a list printed as JSON or by Python."""
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
        text = text.strip()
        gap = r"(?<=['\"])\s+(?=['\"])" if text[1:2] in ("'", '"') else r"(?<=\})\n (?=\{)"
        return ast.literal_eval(re.sub(gap, ", ", text))  # numpy prints no commas
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise UserError(
            f"{where}: cannot read {text[:40]!r}; export as JSON lines, which keep nested columns"
        ) from None


def _text(value: Any) -> str:
    """A value as text, "" where it is absent. Raises TypeError for a list or record."""
    if isinstance(value, str):
        return "" if absent(value) else value.strip()
    if isinstance(value, (list, dict)):
        raise TypeError
    return "" if absent(value) else str(value)


_word = lru_cache(maxsize=1 << 16, typed=True)(_text)  # for values that many rows share


def _family(value: Any, where: str, *, alone: bool) -> str:
    """The family id, "" for -1 and 0; but 0 is an id where the row has no publication number (`alone`)."""
    text = whole(_text(value))
    if rewritten(text):
        raise UserError(f"{where}: family_id {text!r} {_SPREADSHEET}")
    return "" if text == "-1" or (text == "0" and not alone) else text


def _texts(records: Any) -> list[Text]:
    """The texts of a section in all languages, or of its plain column; the merging leaves out placeholders."""
    return [
        Text(str(text), _word(one.get("language")), _word(one.get("truncated")).casefold() == "true")
        for one in records or ()
        if (text := one.get("text"))
    ]


def _codes(records: Any) -> list[str]:
    return [code for one in records or () for code in _split(one.get("code"))]


@lru_cache(maxsize=1 << 16, typed=True)
def _split(text: Any) -> tuple[str, ...]:
    """The codes of a cell, which a query may have joined."""
    return tuple(code for code in _BETWEEN.split(_text(text)) if code)


def _values(records: Any, part: str) -> list[str]:
    return [text for one in records or () if (text := _word(one.get(part)))]


def _page(number: str) -> str:
    short = _SHORT_APPLICATION.fullmatch(number)
    return f"{_PAGE}US{short[1]}0{short[2]}{short[3]}" if short else _PAGE + number.replace("-", "")


def _date(value: Any, report: Report) -> str:
    text = "" if value is None else whole(str(value))
    return "" if text == "0" else iso(text, report)


def _cite(one: Publication, cited: dict[str, Any], report: Report) -> None:
    if number := _text(cited.get("publication_number")):
        category, kind = _word(cited.get("category")), _word(cited.get("type"))
        both = f"{category} {kind}".strip()
        one.cites += [Citation(each, both) for each in _BETWEEN.split(number) if each]  # a query may have joined them
    elif not absent(cited.get("npl_text")):
        one.literature += 1
        one.literature_hash ^= hash(str(cited["npl_text"]))
    elif application := _text(cited.get("application_number")):
        one.applications.append(application)
    else:
        report.count("citations that name nothing", one.numbers[0])
