"""Tables of text: CSV and its kin, and spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.own.fields import COLUMNS, WORDS, Reading
from patent_embeddings.corpus.reading import sheet
from patent_embeddings.corpus.reading.source import CUT, Source
from patent_embeddings.corpus.reading.text import DAMAGED, UTF16, WINDOWS

# A file of one's own is kept as it is: what is odd in it is mended before, not read as well as can be.
_REFUSED = {
    **dict.fromkeys((UTF16, WINDOWS, DAMAGED), "not UTF-8; save the file as UTF-8"),
    sheet.CUT_ROW: "the end of the file cuts off the next one; copy or export it again",
    sheet.HEAD_AGAIN: "is the header again, as where files were put one behind the other; remove it",
    CUT: "the end of the file is missing; compress or copy it again",
}


def read(file: Reading) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows below the header, the known columns of each; lists are cells of text still, which the reading notes."""
    source, place = Source(file.path), "row 0"
    table = sheet.rows(source, COLUMNS, like=WORDS)  # a header without our columns is shown
    if not any(table.names):
        return
    try:
        file.takes(table.names)
    except UserError:
        table.close()
        raise
    for place, cells in table.rows:
        _refuse(source, place)
        yield place, cells
    _refuse(source, place)
    file.flat = True
    if table.above:
        file.notes["lines above the header, left out"] = table.above
    if table.delimiter not in ("", ","):
        file.notes["fields separated by"] = [sheet.DELIMITERS[table.delimiter]]


def _refuse(source: Source, place: str) -> None:
    for what in source.report.counts:
        if what in _REFUSED:
            where = source.report.examples[what] if what == sheet.HEAD_AGAIN else f"after {place}"
            raise UserError(f"{source.path}: {where}: {_REFUSED[what]}")
