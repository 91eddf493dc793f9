"""Google Patents: the downloaded list of a search, with numbers, titles, names and dates."""

from __future__ import annotations

import re

from patent_embeddings.corpus.formats.dates import iso
from patent_embeddings.corpus.formats.format import Cells, table
from patent_embeddings.corpus.formats.publication import Publication, texts
from patent_embeddings.corpus.reading.source import Report

_KNOWN = {
    *("id", "title", "assignee", "inventor/author", "priority date", "filing/creation date", "publication date"),
    *("grant date", "result link", "representative figure link"),
}
_NEEDED = {"id", "title"}
_SIGNS = {"result link", "inventor/author", "filing/creation date", "representative figure link"}  # of no other export
_DATES = ("publication date", "grant date", "priority date")
_LINK = re.compile(r"patents\.google\.com/patent/([A-Z]{2}[A-Z0-9]+)", re.IGNORECASE)
_PARTED = re.compile(r"([A-Z]{2})-(.+)-([A-Z][0-9]?)")
# A comma separates names, but not a name from its legal form: `Miradrum, Inc.`
_COMMA = re.compile(r",\s+(?!(?:inc|llc|l\.l\.c|lp|ltd|corp|co|limited|gmbh|ag|s\.?a|n\.?v|b\.?v)\b)", re.IGNORECASE)


def _fits(names: set[str]) -> bool:
    return names >= _NEEDED and not names.isdisjoint(_SIGNS)


def _publication(place: str, cells: Cells, report: Report) -> Publication | None:
    number, other = _numbers(cells["id"], cells["result link"])
    if not number:
        report.count("rows without a publication number, left out", place)
        return None
    date = iso(cells["publication date"] or cells["grant date"], report)
    return Publication(
        place=place,
        numbers=[number],
        dates=[date] if date else [],
        also=[other] if other else [],
        priority=iso(cells["priority date"], report),
        title=texts(cells["title"]),
        url=cells["result link"],
        applicants=[name for name in _COMMA.split(cells["assignee"]) if name],
    )


def _numbers(name: str, link: str) -> tuple[str, str]:
    """The publication number, and its other spelling or "".

    Ids of US applications lack a zero that the link has: `US-2021018501-A1` for `US20210018501A1`.
    """
    found = _LINK.search(link)
    linked = found[1].upper() if found else ""
    if not name or not linked or name.replace("-", "") == linked:
        return name or linked, ""
    parts = _PARTED.fullmatch(name)
    if parts and linked.startswith(parts[1]) and linked.endswith(parts[3]):
        linked = f"{parts[1]}-{linked[2 : -len(parts[3])]}-{parts[3]}"
    return linked, name


FORMAT = table(
    "google-patents",
    "Google Patents, a search's list as CSV",
    _KNOWN,
    _fits,
    _DATES,
    _publication,
    lacks="A search's list of Google Patents has no citations and no codes, so nothing to score but judgements of your "
    "own (--qrels); BigQuery, USPTO, PatentsView and Derwent exports have citations, Lens, Espacenet and PATENTSCOPE "
    "exports have codes",
)
