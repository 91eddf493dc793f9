"""Derwent Innovations Index as exported by Web of Science: tagged text, or a table of the same fields."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator

from patent_embeddings.corpus.cell_values import absent
from patent_embeddings.corpus.formats.dates import iso
from patent_embeddings.corpus.formats.format import Format
from patent_embeddings.corpus.formats.publication import Citation, Publication, Text, texts
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading import sheet
from patent_embeddings.corpus.reading.source import CUT, Report, Source
from patent_embeddings.corpus.reading.text import Lines

_TAG = re.compile(r"([A-Z][A-Z0-9])(?:[ \t]+(.*))?$", re.DOTALL)
_PATENT = re.compile(r"^PN +[A-Z]{2}\S*\d", re.MULTILINE)
_DERWENT = re.compile(r"^(?:PT P\b|GA +\w|UT DIIDW)", re.MULTILINE)
_NUMBER = re.compile(r"[A-Z]{2}\S*\d\S*")
_DATE = re.compile(r"\b(?:\d{1,2}[ -][A-Za-z]{3,9}[ -]\d{4}|\d{4}-\d{1,2}-\d{1,2})\b")
# Columns of a table. Entries may contain semicolons, so they are split before the next number only.
_COLUMNS = ("PT", "PN", "TI", "AU", "AE", "GA", "AB", "DC", "MC", "IP", "PD", "AD", "PI", "DS", "CP", "CR", "UT")
_WHOLE = ("TI", "AB")
_BETWEEN = re.compile(r"[\r\n]+|;\s*(?=[A-Z]{2}\S*\d)")
_APPLICANT_CODE = re.compile(r"\s*\([A-Z0-9]{4}(?:-[^()]*)?\)$")  # (MIRA-Non-standard)
_OUTDENTED = 3  # blanks before a continuation line; cited numbers are indented further

Fields = dict[str, list[str]]


def looks(source: Source) -> bool:
    """Whether a file has tagged records of patents, or is a table with the tags as columns."""
    if sheet.members(source, _COLUMNS, _fits):
        return True
    lines = "\n".join(line.rstrip() for line in Lines(io.BytesIO(source.head()), Report()))
    return bool(_PATENT.search(lines) and _DERWENT.search(lines))


def _fits(names: set[str]) -> bool:
    return names >= {"PN", "TI"} and not names.isdisjoint({"GA", "IP", "PD"})


def read(source: Source, select: Select) -> Iterator[Publication]:
    """One publication for each record, with the numbers of its whole family.

    Raises UserError where the file is damaged.
    """
    table = bool(sheet.members(source, _COLUMNS, _fits))
    for number, fields in enumerate(_rows(source) if table else _tagged(source), start=1):
        if found := _publication(fields, f"record {number}", source.report):
            yield found


def _rows(source: Source) -> Iterator[Fields]:
    for _, row in sheet.each(source, _COLUMNS, _fits):
        cells = {tag: text for tag, text in row.items() if not absent(text)}
        yield {tag: [text] if tag in _WHOLE else _BETWEEN.split(text) for tag, text in cells.items()}


def _tagged(source: Source) -> Iterator[Fields]:
    for name, stream in source.each():
        yield from _records(Lines(stream, source.report), source.report, name or source.path.name)


def _records(lines: Iterable[str], report: Report, name: str) -> Iterator[Fields]:
    """The fields of each record, with the lines of each field; records without an end are left out and counted."""
    fields: Fields = {}
    tag = ""
    for line in lines:
        text = line.rstrip()
        found = _TAG.match(text)
        if found is None:
            if text and tag and fields:
                fields.setdefault(tag, []).append(text)
                if not text[0].isspace():
                    report.count("lines under no field name, taken with the field above", text)
            continue
        tag = found[1]
        if fields and (tag == "EF" or (tag in ("PT", "PN") and "PN" in fields)):
            report.count("records without an end, left out", " ".join(fields.get("PN", [])))
            fields = {}
        if tag == "ER":
            yield fields
            fields = {}
        elif tag not in ("FN", "VR", "EF"):
            fields.setdefault(tag, []).append((found[2] or "").strip())
    if fields:
        report.count("records without an end, left out", " ".join(fields.get("PN", [])))
    if tag != "EF":
        report.count(CUT if fields else "files whose last line is not EF, perhaps cut between two records", name)


def _publication(fields: Fields, place: str, report: Report) -> Publication | None:
    published = [(_date(line, report), _number(line)) for line in _lines(fields, "PD")]
    numbers = list(dict.fromkeys(_entries(fields, "PN"))) or [number for _, number in published if number]
    family = " ".join(_entries(fields, "GA")[:1] or _entries(fields, "UT")[:1]).removeprefix("DIIDW:")
    if not numbers:
        report.count("records without a publication number, left out", f"{place} {family}")
        return None
    undated = [number for date, number in published if not date]
    report.count("publications without a date", ", ".join(undated), len(undated))
    _, first = min((pair for pair in published if all(pair)), default=("", numbers[0]))
    priorities = _lines(fields, "PI")
    return Publication(
        place=place,
        numbers=numbers,
        dates=[date for date, _ in published if date],
        family="".join(family.split()[:1]),
        priorities=[line.split()[0] for line in priorities],
        also=[number for _, number in published if number and number not in numbers],
        priority=min(filter(None, (_date(line, report) for line in priorities)), default=""),
        title=_texts(fields, "TI", " "),
        abstract=_texts(fields, "AB", "\n"),
        ipc=_entries(fields, "IP"),
        jurisdiction=first[:2],
        applicants=[_APPLICANT_CODE.sub("", entry) for entry in _entries(fields, "AE")],
        cites=list(_cites(fields, report)),
        literature=len(set(_listed(fields, "CR"))),
    )


def _lines(fields: Fields, tag: str) -> list[str]:
    return [line for line in fields.get(tag, []) if line.strip()]


def _entries(fields: Fields, tag: str) -> list[str]:
    """Entries of a field, separated by semicolons or line breaks."""
    return [entry.strip() for line in fields.get(tag, []) for entry in line.split(";") if entry.strip()]


def _texts(fields: Fields, tag: str, between: str) -> list[Text]:
    """A field as one text; Derwent writes its own titles and abstracts, in English."""
    text = between.join(map(str.strip, _lines(fields, tag)))
    return texts(text, "en")


def _number(line: str) -> str:
    """The publication number at the beginning of a line, or ""."""
    found = _NUMBER.match(line.strip())
    return found[0] if found else ""


def _date(line: str, report: Report) -> str:
    """The date in a line, in ISO form, or ""."""
    found = _DATE.search(line)
    return iso(found[0], report) if found else ""


def _cites(fields: Fields, report: Report) -> Iterator[Citation]:
    for line in _listed(fields, "CP"):
        if number := _number(line):
            yield Citation(number)
        else:
            report.count("cited patents without a number, left out", line)


def _listed(fields: Fields, tag: str) -> list[str]:
    """Lines of a citation field without the record's own numbers, under which the citations are listed."""
    lines, own = _lines(fields, tag), _entries(fields, "PN")
    deep = [len(line) - len(line.lstrip()) > _OUTDENTED for line in lines] + [False]
    return [
        line.strip()
        for at, line in enumerate(lines)
        if deep[at] or not (len(line.split()) == 1 and (deep[at + 1] or line.strip() in own))
    ]


FORMAT = Format(
    "derwent",
    "Derwent Innovations Index (Web of Science, .ciw, .txt or a table)",
    looks,
    read,
    lacks="Derwent's export has no claims, descriptions or CPC codes; BigQuery's and the USPTO's have them",
)
