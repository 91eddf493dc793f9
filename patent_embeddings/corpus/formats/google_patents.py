"""Google Patents as it saves the list of a search: numbers, titles, names and dates."""

from __future__ import annotations

import re
from collections.abc import Iterator

from patent_embeddings.corpus.families import absent
from patent_embeddings.corpus.formats.dates import iso, ordered
from patent_embeddings.corpus.formats.format import Format
from patent_embeddings.corpus.formats.publication import Publication, Text
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading import sheet
from patent_embeddings.corpus.reading.source import Source

_KNOWN = {
    *("id", "title", "assignee", "inventor/author", "priority date", "filing/creation date", "publication date"),
    *("grant date", "result link", "representative figure link"),
}
_NEEDED = {"id", "title"}
_SIGNS = {"result link", "inventor/author", "filing/creation date", "representative figure link"}  # of no other export
_DATES = ("publication date", "grant date", "priority date")
_LINK = re.compile(r"patents\.google\.com/patent/([A-Z]{2}[A-Z0-9]+)", re.IGNORECASE)
_PARTED = re.compile(r"([A-Z]{2})-(.+)-([A-Z][0-9]?)")
# A comma parts two names, but not a name from what it is: `Miradrum, Inc.`
_COMMA = re.compile(r",\s+(?!(?:inc|llc|l\.l\.c|lp|ltd|corp|co|limited|gmbh|ag|s\.?a|n\.?v|b\.?v)\b)", re.IGNORECASE)


def looks(source: Source) -> bool:
    """Whether the columns are those of a search."""
    return bool(sheet.members(source, _KNOWN, _fits))


def _fits(names: set[str]) -> bool:
    return names >= _NEEDED and not names.isdisjoint(_SIGNS)


def read(source: Source, select: Select) -> Iterator[Publication]:
    """One publication a row.

    Raises UserError where the table is damaged.
    """
    for place, row in ordered(sheet.each(source, _KNOWN, _fits), _DATES):
        cells = {name: "" if absent(text) else text.strip() for name, text in row.items()}
        number, other = _numbers(cells.get("id", ""), cells.get("result link", ""))
        if not number:
            source.report.count("rows without a publication number, left out", place)
            continue
        date = iso(cells.get("publication date") or cells.get("grant date", ""), source.report)
        yield Publication(
            place=place,
            numbers=[number],
            dates=[date] if date else [],
            also=[other] if other else [],
            priority=iso(cells.get("priority date", ""), source.report),
            title=[Text(title)] if (title := cells.get("title", "")) else [],
            url=cells.get("result link", ""),
            applicants=[name for name in _COMMA.split(cells.get("assignee", "")) if name],
        )


def _numbers(name: str, link: str) -> tuple[str, str]:
    """Number of a publication, and the other spelling of it where there is one.

    Names of US applications lack a zero that the link has: `US-2021018501-A1` for `US20210018501A1`.
    """
    found = _LINK.search(link)
    linked = found[1].upper() if found else ""
    if not name or not linked or name.replace("-", "") == linked:
        return name or linked, ""
    parts = _PARTED.fullmatch(name)
    if parts and linked.startswith(parts[1]) and linked.endswith(parts[3]):
        linked = f"{parts[1]}-{linked[2 : -len(parts[3])]}-{parts[3]}"
    return linked, name


FORMAT = Format(
    "google-patents",
    "Google Patents, a search's list as CSV",
    looks,
    read,
    lacks="A search's list of Google Patents has no citations and no codes, so nothing to score but judgements of your "
    "own (--qrels); BigQuery, USPTO, PatentsView and Derwent exports have citations, Lens, Espacenet and PATENTSCOPE "
    "exports have codes",
)
