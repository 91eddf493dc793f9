"""Our own form as CSV with any delimiter, or as a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.own.fields import COLUMNS, WORDS, Reading
from patent_embeddings.corpus.reading import sheet, spreadsheet
from patent_embeddings.corpus.reading.source import CUT, Source
from patent_embeddings.corpus.reading.text import DAMAGED, UTF16, WINDOWS

# A file in our own form is kept as it is, so faults in it are refused rather than repaired while reading.
_REFUSED = {
    **dict.fromkeys((UTF16, WINDOWS, DAMAGED), "not UTF-8; save the file as UTF-8"),
    sheet.CUT_ROW: "the end of the file cuts off the next one; copy or export it again",
    sheet.HEAD_AGAIN: "repeats the header, as where several files were joined into one; remove it",
    CUT: "the end of the file is missing; compress or copy it again",
}


def read(file: Reading) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows below the header with their known columns. Lists are still text, for `lists.split` (`file.flat`)."""
    source, place = Source(file.path), "row 0"
    table = sheet.rows(source, COLUMNS, like=WORDS)  # `like` also finds a header with other names, to be shown
    others = source.report.notes().get(spreadsheet.SHEETS)
    if not any(table.names) and not others:
        return
    try:
        file.takes(table.names)
    except UserError as error:
        table.close()
        raise UserError(f"{error}; {spreadsheet.SHEETS}: {others}") if others else error from None
    for place, cells in table.rows:
        _refuse(source, place)
        yield place, cells
    _refuse(source, place)
    file.flat = True
    file.notes |= source.report.notes()
    if table.above:
        file.notes["lines above the header, left out"] = table.above
    if table.delimiter not in ("", ","):
        file.notes["fields separated by"] = [sheet.DELIMITERS[table.delimiter]]


def _refuse(source: Source, place: str) -> None:
    for what in source.report.counts:
        if what in _REFUSED:
            where = source.report.examples[what] if what == sheet.HEAD_AGAIN else f"after {place}"
            raise UserError(f"{source.path}: {where}: {_REFUSED[what]}")
