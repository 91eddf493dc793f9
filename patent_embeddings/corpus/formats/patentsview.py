"""PatentsView: tables of granted US patents, joined by patent id.

The tables of all US patents are huge: the selected patents are found first, then only their rows of the other tables
are kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.cell_values import absent, whole
from patent_embeddings.corpus.formats.dates import iso
from patent_embeddings.corpus.formats.format import Format
from patent_embeddings.corpus.formats.publication import Citation, Publication, Text, texts
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading import sheet
from patent_embeddings.corpus.reading.source import Report, Source

Row = dict[str, str]
Part = tuple[int, int, str, str]  # number of its table, order among the rows of the patent, value, category
Parts = dict[str, list[Part]]  # values of a patent by field

_ID = "patent_id"
_PERSON = ("disambig_assignee_individual_name_first", "disambig_assignee_individual_name_last")
_LOOKED_AT = 20  # members of a folder
_PADDED = re.compile(r"(?<![0-9])0+(?=[0-9])")


@dataclass(frozen=True)
class _Table:
    """A table: its columns, and the field of a patent that it fills."""

    name: str
    columns: tuple[str, ...]  # by which it is recognised, together with the patent id
    field: str = ""
    value: Callable[[Row], str] | None = None  # value of a row; by default that of the first column
    order: str = ""  # column that numbers the rows of a patent


def _key(row: Row) -> str:
    """The patent id that tables are joined by: without padding and a decimal point that programs add."""
    return _PADDED.sub("", whole(row[_ID]))


def _us(column: str) -> Callable[[Row], str]:
    """A reader of US numbers in a column."""
    return lambda row: "" if absent(row[column]) else f"US{whole(row[column])}"


def _abroad(row: Row) -> str:
    number = whole(row["citation_application_id"])
    return "" if absent(number) else f"{row['citation_country']} {number}"


def _ipc(row: Row) -> str:
    """An IPC code from its parts, with leading zeros restored; "" for the Locarno class of a design."""
    if absent(row["section"]) or whole(row["subclass"]).isdigit():
        return ""
    subclass = f"{row['section']}{whole(row['ipc_class']):0>2}{row['subclass']}"
    group, subgroup = whole(row.get("main_group", "")), whole(row.get("subgroup", ""))
    return subclass if absent(group) or absent(subgroup) else f"{subclass}{group}/{subgroup:0>2}"


def _assignee(row: Row) -> str:
    organization = row["disambig_assignee_organization"]
    person = map(row.get, _PERSON)
    return " ".join(name for name in person if name and not absent(name)) if absent(organization) else organization


_PATENTS = _Table("g_patent", ("patent_date", "patent_title"))
# A file is the first table whose columns it has all of. Parts of descriptions are joined in this order.
_TABLES = (
    _PATENTS,
    _Table("g_patent_abstract", ("patent_abstract",), "abstract"),
    _Table("g_cpc_current", ("cpc_group",), "cpc", order="cpc_sequence"),
    _Table("g_ipc_at_issue", ("section", "ipc_class", "subclass"), "ipc", _ipc, "ipc_sequence"),
    _Table("g_us_patent_citation", ("citation_patent_id",), "cites", _us("citation_patent_id")),
    _Table("g_us_application_citation", ("citation_document_number",), "cites", _us("citation_document_number")),
    _Table("g_foreign_citation", ("citation_application_id", "citation_country"), "cites", _abroad),
    _Table("g_other_reference", ("other_reference_text",), "literature", order="other_reference_sequence"),
    _Table("g_claims", ("claim_text",), "claims", order="claim_sequence"),
    _Table("g_brf_sum_text", ("summary_text",), "description"),
    _Table("g_draw_desc_text", ("draw_desc_text",), "description", order="draw_desc_sequence"),
    _Table("g_detail_desc_text", ("description_text",), "description"),
    _Table("g_application", ("filing_date", "application_id"), "filed"),
    _Table("g_foreign_priority", ("filing_date", "foreign_country_filed"), "filed"),
    _Table("g_assignee", ("disambig_assignee_organization",), "applicants", _assignee, "assignee_sequence"),
    # The published application of the patent, which others may cite.
    _Table("pg_granted_pgpubs_crosswalk", ("pgpub_id",), "also", _us("pgpub_id")),
)
_KNOWN = {
    *(column for table in _TABLES for column in (*table.columns, table.order) if column),
    *(_ID, "withdrawn", "citation_category", "main_group", "subgroup", *_PERSON),
}


def looks(source: Source) -> bool:
    """Whether the file, or one of the first in a folder, is a table of PatentsView."""
    looked_at = 1 if source.kind == "tar" else _LOOKED_AT  # each look at a member reads a tar from its beginning
    return any(_table(source, member) for member in source.members[:looked_at])


def read(source: Source, select: Select) -> Iterator[Publication]:
    """One publication for each patent that was not withdrawn.

    Raises UserError where a table is damaged, or the table of patents is missing.
    """
    found: dict[_Table, list[str]] = {}
    for member in source.members:
        if table := _table(source, member):
            found.setdefault(table, []).append(member)
        else:
            with source.open(member) as stream:
                stream.read(1)  # raises where it is damaged
            source.report.count("files that are no table used here, left out", member)
    if _PATENTS not in found:
        raise UserError(f"{source.path}: {_without_patents(source, found)}")
    wanted = _wanted(source, found, select)
    parts_of = {name: Parts() for name in wanted}
    for number, table in enumerate(_TABLES[1:]):
        others = 0
        for row in _rows(source, found.get(table, [])):
            if (parts := parts_of.get(_key(row))) is None:
                others += 1
            elif part := _part(table, number, row):
                parts.setdefault(table.field, []).append(part)
        source.report.count(f"rows of {table.name} on patents that are not taken, left out", number=others)
    for name, parts in parts_of.items():
        yield _whole(wanted[name], parts, source.report)


def _without_patents(source: Source, found: Iterable[_Table]) -> str:
    """Why the table of patents is not recognised: it lacks a column, or is missing."""
    needed = {_ID, *_PATENTS.columns}
    for member in source.members:
        if len(lacking := needed - set(sheet.header(*_within(source, member)))) == 1 and not _table(source, member):
            return f"{member or 'the table of patents'} lacks the column {min(lacking)}; add it"
    has = ", ".join(table.name for table in found) or "no table of PatentsView"
    said = f"has {has}; g_patent is missing, which lists the patents"
    return f"{said}; add it with its columns {', '.join((_ID, *_PATENTS.columns))}"


def _table(source: Source, member: str) -> _Table | None:
    """The table that a file is, by its columns; None where it is none of `_TABLES`."""
    columns = set(sheet.header(*_within(source, member)))
    return next((table for table in _TABLES if columns.issuperset((_ID, *table.columns))), None)


def _rows(source: Source, members: list[str]) -> Iterator[Row]:
    for member in members:
        empty = True
        for _, row in sheet.rows(*_within(source, member)).rows:
            empty = False
            yield row
        if empty:
            source.report.count("tables without a row", member)


def _within(source: Source, member: str) -> tuple[Source, set[str], str]:
    """Arguments of `sheet.header` and `sheet.rows` for a member; a spreadsheet in a folder is a source of its own."""
    path = source.path / member
    alone = Source(path, source.report) if path.is_file() else source
    return (alone, _KNOWN, "") if alone.kind == "sheet" else (source, _KNOWN, member)


def _wanted(source: Source, found: dict[_Table, list[str]], select: Select) -> dict[str, Publication]:
    """The selected patents, in order of their ids, with what the table of patents has of them."""
    classed = _classed(source, found, select) if select.classes else None
    plain = replace(select, classes=())
    wanted: dict[str, Publication] = {}
    for row in _rows(source, found[_PATENTS]):
        name, key = whole(row[_ID]), _key(row)
        if not name:
            source.report.count("rows without a patent's id, left out", row["patent_title"])
            continue
        if row.get("withdrawn", "").strip().casefold() in ("1", "1.0", "true", "t"):
            source.report.count("withdrawn patents, left out", name)
            continue
        one = Publication(
            place=f"patent {name}",
            numbers=[name],
            dates=[date] if (date := iso(row["patent_date"], source.report)) else [],
            family=name,
            jurisdiction="US",
            title=_texts([row["patent_title"]]),
        )
        if key in wanted:
            source.report.count("patents that stand in the table twice, taken once", name)
            continue
        fits = plain.wants(one)
        if classed is not None and key not in classed:
            select.refused.update(["--class", *([""] if fits else [])])
        elif fits:
            wanted[key] = one
            if len(wanted) == select.limit:
                break
    return dict(sorted(wanted.items()))


def _classed(source: Source, found: dict[_Table, list[str]], select: Select) -> set[str]:
    """Ids of the patents with a code of the selected classes."""
    only = Select(classes=select.classes)
    has = cache(lambda code: only.wants(Publication("", ["US"], ipc=[code])))
    tables = [table for table in found if table.field in ("ipc", "cpc")]
    return {_key(row) for table in tables for row in _rows(source, found[table]) if has(_value(table, row))}


def _value(table: _Table, row: Row) -> str:
    value = table.value(row) if table.value else row[table.columns[0]]
    return "" if absent(value) else value


def _part(table: _Table, number: int, row: Row) -> Part | None:
    """The value of a row with its order; None where it has none."""
    value, order = _value(table, row), whole(row.get(table.order, ""))
    if not value:
        return None
    category = row.get("citation_category", "")
    return number, int(order[:9]) if order.isdecimal() else 0, value, "" if absent(category) else category


def _whole(one: Publication, parts: Parts, report: Report) -> Publication:
    """Fill in the fields of a patent from the rows of its other tables, in their order."""
    values = {name: [value for *_, value, _ in sorted(set(rows))] for name, rows in parts.items()}
    one.abstract, one.claims = _texts(values.get("abstract", [])), _texts(values.get("claims", []))
    one.description = _texts(values.get("description", []))
    one.ipc, one.cpc = values.get("ipc", []), values.get("cpc", [])
    one.applicants, one.also = values.get("applicants", []), values.get("also", [])
    one.literature = len(values.get("literature", []))
    one.cites = [Citation(value, category) for *_, value, category in sorted(set(parts.get("cites", [])))]
    one.priority = min(filter(None, (iso(date, report) for date in values.get("filed", []))), default="")
    return one


def _texts(values: Iterable[str]) -> list[Text]:
    """A text from its parts; the tables are in English."""
    text = "\n".join(value for value in values if not absent(value))
    return texts(text, "en")


FORMAT = Format(
    name="patentsview",
    title="PatentsView, tables in a folder, a zip or several files",
    looks=looks,
    read=read,
    lacks="which application a patent comes from only pg_granted_pgpubs_crosswalk says; cited applications need it",
    joined=True,
)
