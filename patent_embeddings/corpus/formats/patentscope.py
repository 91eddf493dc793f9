"""WIPO's PATENTSCOPE: the list of a search, as its spreadsheet or as CSV that was made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from patent_embeddings.corpus.families import absent
from patent_embeddings.corpus.formats.cells import codes, entries, rounded
from patent_embeddings.corpus.formats.dates import iso, ordered
from patent_embeddings.corpus.formats.format import Format
from patent_embeddings.corpus.formats.publication import Publication, Text
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.numbers import OFFICES
from patent_embeddings.corpus.reading import sheet
from patent_embeddings.corpus.reading.source import Report, Source

# Columns under each of their names: of the list on the screen, of the spreadsheet.
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


def looks(source: Source) -> bool:
    """Whether the columns are those of PATENTSCOPE."""
    return bool(sheet.members(source, _KNOWN, _fits))


def _fits(names: set[str]) -> bool:
    return not (names.isdisjoint(_NUMBER) or names.isdisjoint(_SIGNS)) and "Title" in names


def read(source: Source, select: Select) -> Iterator[Publication]:
    """One publication a row.

    Raises UserError where the table is damaged.
    """
    for place, row in ordered(sheet.each(source, _KNOWN, _fits), (_DATE, *_PRIORITY)):
        cells = {name: "" if absent(text) else text.strip() for name, text in row.items()}
        number = _first(cells, _NUMBER)
        if rounded(number):
            source.report.count("publication numbers that a spreadsheet rounded, left out", f"{number} in {place}")
        elif number:
            yield _publication(place, number, cells, source.report)
        else:
            source.report.count("rows without a publication number, left out", place)


def _publication(place: str, number: str, cells: dict[str, str], report: Report) -> Publication:
    priorities = (iso(date, report) for date in _PRIORITY_DATE.findall(_first(cells, _PRIORITY)))
    date = iso(cells.get(_DATE, ""), report)
    return Publication(
        place=place,
        numbers=[number],
        dates=[date] if date else [],
        priority=min(filter(None, priorities), default=""),
        title=_texts(cells.get("Title", "")),
        abstract=_texts(cells.get("Abstract", "")),
        ipc=codes(_first(cells, _IPC)),
        jurisdiction=next(
            (name for name in (number[:2].upper(), cells.get("Country", "").upper()) if name in OFFICES), ""
        ),
        applicants=entries(cells.get("Applicants", "")),
    )


def _country(*said: str) -> str:
    """The first office that these begin with: numbers of reissues and plants begin with other letters."""
    return next((text[:2].upper() for text in said if text[:2].upper() in OFFICES), "")


def _first(cells: dict[str, str], names: tuple[str, ...]) -> str:
    """The first of these cells that has something."""
    return next((cells[name] for name in names if cells.get(name)), "")


def _texts(cell: str) -> list[Text]:
    """A text, or one a language where it says so: `(EN) Bicycle hub (FR) Moyeu de bicyclette`."""
    if not _LANGUAGE.match(cell):
        return [Text(cell)] if cell else []
    _, *parts = _LANGUAGE.split(cell)
    return [Text(text.strip(), tag.lower()) for tag, text in zip(parts[::2], parts[1::2], strict=True) if text.strip()]


FORMAT = Format(
    "patentscope",
    "WIPO PATENTSCOPE, a search's list (.csv, .xls, .xlsx)",
    looks,
    read,
    lacks="PATENTSCOPE's list has no citations; BigQuery, USPTO, PatentsView and Derwent exports have them",
)
