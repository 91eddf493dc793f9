"""Espacenet: a result list as CSV or spreadsheet, with column names in English, German or French."""

from __future__ import annotations

import re

from patent_embeddings.corpus.cell_values import codes, present, rewritten
from patent_embeddings.corpus.formats.dates import iso
from patent_embeddings.corpus.formats.format import Cells, table
from patent_embeddings.corpus.formats.publication import Publication, texts
from patent_embeddings.corpus.reading.source import Report

# Column -> its names in English, German and French, of today and before. `Earliest priority date` is the Lens'.
_COLUMNS = {
    "title": ("Title", "Titel", "Titre"),
    "inventors": ("Inventors", "Erfinder", "Inventeurs"),
    "applicants": ("Applicants", "Anmelder", "Demandeurs", "Déposants"),
    "numbers": (
        *("Publication number", "Publication numbers", "Veröffentlichungsnummer", "Veröffentlichungsnummern"),
        *("Numéro de publication", "Numéros de publication", "N° de publication", "No de publication"),
    ),
    "priority": (
        *("Earliest priority", "Früheste Priorität", "Frühestes Prioritätsdatum", "Älteste Priorität"),
        *("Priorité la plus ancienne", "Date de priorité la plus ancienne", "Plus ancienne priorité"),
        *("Première priorité", "Priorité antérieure"),
    ),
    "ipc": ("IPC", "IPK", "CIB"),
    "cpc": ("CPC",),
    "dates": ("Publication date", "Publication dates", "Veröffentlichungsdatum", "Date de publication"),
    "earliest": (
        *("Earliest publication", "Früheste Veröffentlichung", "Frühestes Veröffentlichungsdatum"),
        *("Älteste Veröffentlichung", "Erste Veröffentlichung", "Première publication"),
        *("Publication la plus ancienne", "Plus ancienne publication", "Publication antérieure"),
    ),
    "family": (
        *("Family number", "Familiennummer", "Numéro de famille", "Numéro de la famille", "N° de famille"),
        *("No de famille",),
    ),
}
_MEANT = {name: column for column, names in _COLUMNS.items() for name in names}
_DATES = tuple(name for column in ("dates", "earliest", "priority") for name in _COLUMNS[column])
_SIGNS = ("priority", "earliest", "family")  # no other export has these names
_NO_TITLE = re.compile(
    r"\W*(?:no title available|title not available|kein titel (?:verf\W*\w{0,2}\W*gbar|vorhanden)|"
    r"(?:aucun|pas de) titre(?: n'est)? disponible|titre (?:non |in)disponible)\W*",
    re.IGNORECASE,
)
_BETWEEN_NUMBERS = re.compile(r"[;,\r\n]+|(?<![A-Z]{2})\s+(?=[A-Z]{2}\s?[A-Z]{0,2}[0-9])")
_MONTH = re.compile(r"[^\W\d_]{3}")  # a date with a name in it has blanks of its own
_TIME = re.compile(
    r"(?<=[0-9])[T ][0-9]{1,2}:[0-9]{2}\S*(?:\s?[AP]\.?M\b\.?)?", re.IGNORECASE
)  # behind a date, as spreadsheets write one
_POINT = re.compile(r"[.,]0+$")
_OFFICE = re.compile(r"\s*\[[A-Z]{2}\]$")


def _fits(names: set[str]) -> bool:
    columns = {_MEANT.get(name) for name in names}
    return "numbers" in columns and not columns.isdisjoint(_SIGNS)


def _publication(place: str, row: Cells, report: Report) -> Publication:
    """The publications of a row: one family, with all its numbers and dates."""
    cells = dict.fromkeys(_COLUMNS, "") | {_MEANT[name]: text for name, text in row.items() if text}
    title = cells["title"]
    if _NO_TITLE.fullmatch(title):
        report.count("title: placeholders, read as empty", title)
        title = ""
    return Publication(
        place=place,
        numbers=_numbers(cells["numbers"]),
        dates=_dates(f"{cells['dates']}\n{cells['earliest']}", report),
        family=_family(cells["family"], report),
        priority=min(_dates(cells["priority"], report), default=""),
        title=texts(title),
        ipc=codes(cells["ipc"]),
        cpc=codes(cells["cpc"]),
        applicants=present(_OFFICE.sub("", name.strip()) for name in re.split(r"[;\r\n]+", cells["applicants"])),
    )


def _numbers(cell: str) -> list[str]:
    """Publication numbers of a cell; a number may contain blanks: `US 7000001 B2`."""
    return list(dict.fromkeys(present(_BETWEEN_NUMBERS.split(cell))))


def _dates(cell: str, report: Report) -> list[str]:
    lines = re.split(r"[;\r\n]+", cell)
    lines = [_TIME.sub("", line) for line in lines]
    words = (one for line in lines for one in ([line] if _MONTH.search(line) else re.split(r"[\s,]+", line)))
    return [date for one in dict.fromkeys(present(words)) if (date := iso(one, report))]


def _family(text: str, report: Report) -> str:
    """A family number; "" where a spreadsheet has rounded it, so that others have the same."""
    if rewritten(text):
        report.count("family numbers that a spreadsheet rounded, left out", text)
        return ""
    return _POINT.sub("", text)


FORMAT = table(
    "espacenet",
    "Espacenet, a list of results (.csv, .xlsx)",
    _MEANT,
    _fits,
    _DATES,
    _publication,
    lacks="Espacenet's list has no citations; BigQuery, USPTO, PatentsView and Derwent exports have them",
)
