"""Harvard USPTO Patent Dataset: one JSON object for each application, in a folder, an archive or JSON lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from patent_embeddings.corpus.cell_values import absent, whole
from patent_embeddings.corpus.formats.dates import iso
from patent_embeddings.corpus.formats.format import Format
from patent_embeddings.corpus.formats.publication import Publication, texts
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading.objects import begins, names, objects
from patent_embeddings.corpus.reading.source import Report, Source

_FEW = 5  # files of a folder that are looked at
# Columns that only this dataset has; files made from it may lack some.
_THEIRS = {
    "abandon_date", "background", "cpc_labels", "date_produced", "date_published", "decision", "examiner_id",
    "full_description", "ipcr_labels", "main_cpc_label", "main_ipcr_label", "patent_issue_date", "uspc_class",
    "uspc_subclass",
}  # fmt: skip
_NUMBERS = {"application_number", "publication_number", "patent_number"}
_WITHOUT_SLASH = re.compile(r"(?<=^[A-HY]\d\d[A-Z])\d+$", re.IGNORECASE)
_BETWEEN_CODES = re.compile(r"[\n;,|'\"\[\]]+|\s+(?=[A-HY]\d\d[A-Z])")  # a code may have a blank in it


def looks(source: Source) -> bool:
    """Whether one of the first files has objects with a number and at least two columns of this dataset alone."""
    if source.kind == "sheet":
        return False
    found = (names(source.head(member)) for member in source.members[:_FEW])
    return any(one & _NUMBERS and len(one & _THEIRS) > 1 and not one & {"family_id", "cites"} for one in found)


def read(source: Source, select: Select) -> Iterator[Publication]:
    """Every application as a publication, read one at a time; files that are not JSON are counted.

    Raises UserError, which names file, place and mend, where a file is damaged.
    """
    for member, stream in source.each():
        path = str(source.path / member)
        if len(source.members) > 1 and not begins(stream.peek()):  # type: ignore[attr-defined]
            source.report.count("files that do not begin with a JSON object, left out", path)
            continue
        for place, record in objects(stream, path, source.report):
            if (one := publication(record, f"{place} of {path}", source.report)) is not None:
                yield one


def publication(record: dict[str, Any], place: str, report: Report) -> Publication | None:
    """A record as a publication; None where it has no number, which the report counts."""
    number, _, day = _text(record, "publication_number").partition("-")  # US20120243104A1-20120728
    application, patent = (whole(_text(record, name)) for name in ("application_number", "patent_number"))
    granted = [patent if patent.upper().startswith("US") else f"US{patent}"] if patent else []
    numbers = [number] if number else granted or [application]
    if not numbers[0]:
        report.count("records without a number, left out", place)
        return None
    dates = (_text(record, "date_published") or day, _text(record, "patent_issue_date"))
    parts = [_text(record, "background"), _text(record, "summary")]
    return Publication(
        place=place,
        numbers=numbers,
        dates=[date for text in dates if (date := iso(text, report))],
        family=application,
        also=granted if number else [],
        title=texts(_text(record, "title"), "en"),
        abstract=texts(_text(record, "abstract"), "en"),
        claims=texts(_text(record, "claims"), "en"),
        description=texts(_text(record, "full_description") or "\n".join(filter(None, parts)), "en"),
        ipc=_codes(record, "main_ipcr_label", "ipcr_labels"),
        cpc=_codes(record, "main_cpc_label", "cpc_labels"),
        jurisdiction="US",
    )


def _text(record: dict[str, Any], column: str) -> str:
    value = record.get(column)
    if isinstance(value, list):  # claims, one each
        return "\n".join(str(entry) for entry in value if not absent(entry))
    return "" if absent(value) else str(value).strip()


def _codes(record: dict[str, Any], *columns: str) -> list[str]:
    """Codes of the columns; a code without a slash is cut to its subclass, as its group is ambiguous."""
    found = []
    for column in columns:
        value = record.get(column)
        entries = value if isinstance(value, list) else _BETWEEN_CODES.split(_text(record, column))
        found += [_WITHOUT_SLASH.sub("", str(entry).strip()) for entry in entries if entry and not absent(entry)]
    return found


FORMAT = Format(
    name="hupd",
    title="Harvard USPTO Patent Dataset, JSON",
    looks=looks,
    read=read,
    lacks="this dataset has no citations; bring judgements, or take the grants from USPTO or PatentsView",
)
