"""The first visible sheet of a spreadsheet, as the text of its cells."""

from __future__ import annotations

import datetime
import itertools
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import python_calamine
from python_calamine import SheetTypeEnum, SheetVisibleEnum

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.reading.source import Source

SHEETS = "other sheets, not read"


def top(source: Source, count: int) -> list[list[str]]:
    """The first `count` rows; see `rows`."""
    about = source.path.stat()
    return [[*row] for row in _top(source.path, count, about.st_size, about.st_mtime_ns)]


@lru_cache(maxsize=4)
def _top(path: Path, count: int, size: int, changed: int) -> list[list[str]]:
    """`top`, cached: every format looks at it, and a sheet can only be parsed whole."""
    return list(itertools.islice(rows(Source(path)), count))


def rows(source: Source) -> Iterator[list[str]]:
    """Rows of the first visible sheet of an `.xlsx` or `.xls` file, charts aside. The report counts the other sheets.

    A cell merged over several rows is repeated in each. Raises UserError where the file is damaged, is protected by a
    password, has no sheet, or expands to more than any spreadsheet would.
    """
    _bounded(source)
    try:
        with python_calamine.load_workbook(source.sheet) as book:
            sheets = [one for one in book.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
            if not sheets:
                raise UserError(f"{source.path}: has no sheet with cells; save one, or as CSV")
            first, *others = sorted(sheets, key=lambda one: one.visible != SheetVisibleEnum.Visible)
            for other in others:
                source.report.once(SHEETS, other.name)
            yield from _filled(book.get_sheet_by_name(first.name))
    except python_calamine.PasswordError:
        raise UserError(f"{source.path}: protected by a password; save it without") from None
    except python_calamine.CalamineError as error:
        said = " ".join(str(error).split())
        raise UserError(f"{source.path}: damaged or no spreadsheet ({said:.80}); save it again, or as CSV") from None


def _filled(sheet: python_calamine.CalamineSheet) -> Iterator[list[str]]:
    """Rows in which a cell merged over several rows is repeated in each of them."""
    merged: dict[int, list[tuple[int, int]]] = {}  # first row -> column and last row
    margin = sheet.start[1] if sheet.start else 0  # empty columns on the left, which rows do not have
    for (top, left), (bottom, _) in sheet.merged_cell_ranges or ():
        if bottom > top and left >= margin:
            merged.setdefault(top, []).append((left - margin, bottom))
    covering: dict[int, tuple[int, str]] = {}  # column -> last row and text
    for number, cells in enumerate(sheet.iter_rows()):
        row = [_shown(cell) for cell in cells]
        for column, (bottom, text) in covering.items():
            if number <= bottom:
                row[column] = text
        covering |= {column: (bottom, row[column]) for column, bottom in merged.get(number, ()) if column < len(row)}
        yield row


def _bounded(source: Source) -> None:
    """Raise UserError where an `.xlsx` would expand to more than its limit."""
    if zipfile.is_zipfile(source.sheet):
        with zipfile.ZipFile(source.sheet) as archive:
            room = sum(part.file_size for part in archive.infolist())
        if room > source.limit:
            raise UserError(f"{source.path}: expands to {room >> 20:,} MiB, more than any spreadsheet; save it again")


def _shown(cell: Any) -> str:
    """A cell as text: whole numbers without a decimal point, dates in ISO form."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:  # beyond, digits are lost
        return str(int(cell))
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(" ").removesuffix(" 00:00:00")
    return cell.isoformat() if isinstance(cell, datetime.date) else str(cell)
