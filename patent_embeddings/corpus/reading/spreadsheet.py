"""The first sheet of a spreadsheet, as the text that its cells show."""

from __future__ import annotations

import datetime
import itertools
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import python_calamine

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.reading.source import Source


def top(source: Source, count: int) -> list[list[str]]:
    """The first rows, as many as asked for; see `rows`."""
    about = source.path.stat()
    return [[*row] for row in _top(source.path, count, about.st_size, about.st_mtime_ns)]


@lru_cache(maxsize=4)
def _top(path: Path, count: int, size: int, changed: int) -> list[list[str]]:
    """Kept, as the looks of every format ask for it, and a sheet is parsed whole."""
    return list(itertools.islice(rows(Source(path)), count))


def rows(source: Source) -> Iterator[list[str]]:
    """Rows of the first sheet of an `.xlsx` or `.xls` file.

    Raises UserError where it is damaged, is protected by a password, has no sheet, or expands as no text does.
    """
    _bounded(source)
    try:
        with python_calamine.load_workbook(source.sheet) as book:
            for row in book.get_sheet_by_index(0).iter_rows():
                yield [_shown(cell) for cell in row]
    except python_calamine.PasswordError:
        raise UserError(f"{source.path}: protected by a password; save it without") from None
    except python_calamine.CalamineError as error:
        said = " ".join(str(error).split())
        raise UserError(f"{source.path}: damaged or no spreadsheet ({said:.80}); save it again, or as CSV") from None


def _bounded(source: Source) -> None:
    """Raise UserError where the parts of an `.xlsx` take more room than those of any sheet do."""
    if zipfile.is_zipfile(source.sheet):
        with zipfile.ZipFile(source.sheet) as archive:
            room = sum(part.file_size for part in archive.infolist())
        if room > source.limit:
            raise UserError(f"{source.path}: expands to {room >> 20:,} MiB, as no spreadsheet does; save it again")


def _shown(cell: Any) -> str:
    """A number without the point that whole ones do not show, a date as ISO has it."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:  # beyond, digits are lost
        return str(int(cell))
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(" ").removesuffix(" 00:00:00")
    return cell.isoformat() if isinstance(cell, datetime.date) else str(cell)
