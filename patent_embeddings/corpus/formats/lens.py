"""The Lens: patents exported as CSV, with the columns of any of its years."""

from __future__ import annotations

from collections.abc import Iterator

from patent_embeddings.corpus.families import absent
from patent_embeddings.corpus.formats.cells import codes, entries, present
from patent_embeddings.corpus.formats.dates import iso, ordered
from patent_embeddings.corpus.formats.format import Format
from patent_embeddings.corpus.formats.publication import Publication, Text
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading import sheet
from patent_embeddings.corpus.reading.source import Report, Source

# Of patents: exports of scholarly works have a Lens ID too.
_SIGNS = {
    "Jurisdiction", "Kind", "Display Key", "Publication Number", "Application Number", "Priority Numbers",
    "Earliest Priority Date", "Simple Family Members", "CPC Classifications", "IPCR Classifications",
}  # fmt: skip
_DATES = ("Publication Date", "Earliest Priority Date")
_KNOWN = {*_SIGNS, "Lens ID", "Publication Date", "Title", "Abstract", "Applicants", "URL"}


def looks(source: Source) -> bool:
    """Whether the columns are those of patents of the Lens."""
    return bool(sheet.members(source, _KNOWN, _fits))


def _fits(names: set[str]) -> bool:
    return not names.isdisjoint({"Lens ID", "Display Key"}) and len(names & _SIGNS) > 1


def read(source: Source, select: Select) -> Iterator[Publication]:
    """One publication a row. Raises UserError where a table is damaged."""
    for place, row in ordered(sheet.each(source, _KNOWN, _fits), _DATES):
        cells = {name: "" if absent(text) else text.strip() for name, text in row.items()}
        yield _publication(place, cells, source.report)


def _publication(place: str, cells: dict[str, str], report: Report) -> Publication:
    def cell(name: str) -> str:
        return cells.get(name, "")

    # An export that was made without numbers still has its ids.
    number = cell("Display Key") or cell("Publication Number") or cell("Lens ID")
    date = iso(cell("Publication Date"), report)
    return Publication(
        place=place,
        numbers=[number] if number else [],
        dates=[date] if date else [],
        key=cell("Lens ID"),
        members=entries(cell("Simple Family Members")),
        priorities=entries(cell("Priority Numbers")),
        application=cell("Application Number"),
        priority=iso(cell("Earliest Priority Date"), report),
        title=_text(cell("Title")),
        abstract=_text(cell("Abstract")),
        ipc=codes(cell("IPCR Classifications")),
        cpc=codes(cell("CPC Classifications")),
        jurisdiction=cell("Jurisdiction"),
        url=cell("URL"),
        applicants=present(cell("Applicants").split(";;")),
    )


def _text(cell: str) -> list[Text]:
    return [Text(cell)] if cell else []


FORMAT = Format(
    "lens",
    "The Lens, patents (.csv)",
    looks,
    read,
    lacks="the Lens' CSV counts citations without naming them; BigQuery, USPTO, PatentsView and Derwent exports do",
)
