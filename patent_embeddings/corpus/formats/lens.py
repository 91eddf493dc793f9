"""The Lens: patents exported as CSV, with the column names of all years."""

from __future__ import annotations

from patent_embeddings.corpus.cell_values import codes, entries, present
from patent_embeddings.corpus.formats.dates import iso
from patent_embeddings.corpus.formats.format import Cells, table
from patent_embeddings.corpus.formats.publication import Publication, texts
from patent_embeddings.corpus.reading.source import Report

# Columns of patents; exports of scholarly works have a Lens ID too.
_SIGNS = {
    "Jurisdiction", "Kind", "Display Key", "Publication Number", "Application Number", "Priority Numbers",
    "Earliest Priority Date", "Simple Family Members", "CPC Classifications", "IPCR Classifications",
}  # fmt: skip
_DATES = ("Publication Date", "Earliest Priority Date")
_KNOWN = {*_SIGNS, "Lens ID", "Publication Date", "Title", "Abstract", "Applicants", "URL"}


def _fits(names: set[str]) -> bool:
    return not names.isdisjoint({"Lens ID", "Display Key"}) and len(names & _SIGNS) > 1


def _publication(place: str, cells: Cells, report: Report) -> Publication:
    # An export without numbers still has Lens IDs.
    number = cells["Display Key"] or cells["Publication Number"] or cells["Lens ID"]
    date = iso(cells["Publication Date"], report)
    return Publication(
        place=place,
        numbers=[number] if number else [],
        dates=[date] if date else [],
        key=cells["Lens ID"],
        members=entries(cells["Simple Family Members"]),
        priorities=entries(cells["Priority Numbers"]),
        application=cells["Application Number"],
        priority=iso(cells["Earliest Priority Date"], report),
        title=texts(cells["Title"]),
        abstract=texts(cells["Abstract"]),
        ipc=codes(cells["IPCR Classifications"]),
        cpc=codes(cells["CPC Classifications"]),
        jurisdiction=cells["Jurisdiction"],
        url=cells["URL"],
        applicants=present(cells["Applicants"].split(";;")),
    )


FORMAT = table(
    "lens",
    "The Lens, patents (.csv)",
    _KNOWN,
    _fits,
    _DATES,
    _publication,
    lacks="the Lens' CSV counts citations without naming them; BigQuery, USPTO, PatentsView and Derwent exports do",
)
