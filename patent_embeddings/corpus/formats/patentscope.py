"""WIPO's PATENTSCOPE: the result list of a search, as a spreadsheet or CSV."""

from __future__ import annotations

import re

from patent_embeddings.corpus.cell_values import codes, entries, rewritten
from patent_embeddings.corpus.formats.dates import iso
from patent_embeddings.corpus.formats.format import Cells, table
from patent_embeddings.corpus.formats.publication import Publication, Text, texts
from patent_embeddings.corpus.publication_numbers import OFFICES
from patent_embeddings.corpus.reading.source import Report

# Column names: of the list on the screen, then of the spreadsheet.
_NUMBER = ("Publication Number", "Application Id")
_DATE = "Publication Date"
_IPC = ("IPC", "I P C")
_PRIORITY = ("Priority Data", "Priorities Data")
_SIGNS = {*_PRIORITY, "Application Id", "I P C", "FP Image", "National Phase Entries"}  # no other export has these
_KNOWN = {
    *_SIGNS,
    *_NUMBER,
    *_IPC,
    *(_DATE, "Application Number", "Application Date", "Country", "Title", "Abstract", "Applicants", "Inventors"),
}
_LANGUAGE = re.compile(r"(?:^|\s)\(([A-Z]{2})\)\s")
_PRIORITY_DATE = re.compile(
    r"\b\d{4}-\d{1,2}-\d{1,2}(?=T|\b)|(?<![\d/])\d{1,2}[./]\d{1,2}[./]\d{4}\b|\b\d{1,2}[ -][A-Za-z]{3,9}[ -]\d{4}\b"
    r"|(?<=\b[A-Z]{2} )(?:19|20)\d{6}\b"
)


def _fits(names: set[str]) -> bool:
    return not (names.isdisjoint(_NUMBER) or names.isdisjoint(_SIGNS)) and "Title" in names


def _publication(place: str, cells: Cells, report: Report) -> Publication | None:
    number = _first(cells, _NUMBER)
    if rewritten(number):
        report.count("publication numbers that a spreadsheet rounded, left out", f"{number} in {place}")
        return None
    if not number:
        report.count("rows without a publication number, left out", place)
        return None
    priorities = (iso(date, report) for date in _PRIORITY_DATE.findall(_first(cells, _PRIORITY)))
    date = iso(cells[_DATE], report)
    return Publication(
        place=place,
        numbers=[number],
        dates=[date] if date else [],
        priority=min(filter(None, priorities), default=""),
        title=_texts(cells["Title"]),
        abstract=_texts(cells["Abstract"]),
        ipc=codes(_first(cells, _IPC)),
        jurisdiction=next((name for name in (number[:2].upper(), cells["Country"].upper()) if name in OFFICES), ""),
        applicants=entries(cells["Applicants"]),
    )


def _first(cells: Cells, names: tuple[str, ...]) -> str:
    """The first of these cells that is not empty."""
    return next((cells[name] for name in names if cells[name]), "")


def _texts(cell: str) -> list[Text]:
    """The texts of a cell by language, if it is marked: `(EN) Bicycle hub (FR) Moyeu de bicyclette`."""
    if not _LANGUAGE.match(cell):
        return texts(cell)
    _, *parts = _LANGUAGE.split(cell)
    return [Text(text.strip(), tag.lower()) for tag, text in zip(parts[::2], parts[1::2], strict=True) if text.strip()]


FORMAT = table(
    "patentscope",
    "WIPO PATENTSCOPE, a search's list (.csv, .xls, .xlsx)",
    _KNOWN,
    _fits,
    (_DATE, *_PRIORITY),
    _publication,
    lacks="PATENTSCOPE's list has no citations; BigQuery, USPTO, PatentsView and Derwent exports have them",
)
