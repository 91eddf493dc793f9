"""The first visible sheet of a spreadsheet, as the text of its cells."""

from __future__ import annotations

import datetime
import itertools
import posixpath
import re
import zipfile
from collections.abc import Iterator
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any

import python_calamine
from lxml import etree
from python_calamine import SheetTypeEnum, SheetVisibleEnum

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.reading.damage import DAMAGED
from patent_embeddings.corpus.reading.source import Source

SHEETS = "other sheets, not read"
PADDED = "number formats of an .xls that show leading zeros, which are lost; save it as .xlsx"
_XLS_ZEROS = re.compile(rb"\x1e\x04[\s\S]{4}[\x02-\x20]\0\0(0{2,})(?![.,%])")  # its record of a number format
# A number format, perhaps of a locale, with space behind the digits; behind the semicolon that of negative numbers.
_ZEROS = re.compile(r"(?:\[\$-[0-9A-Fa-f]+\])?(0{2,})(?:_.|\\? )*(?:;.*)?")


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
    try:
        _bounded(source)
        with python_calamine.load_workbook(source.sheet) as book:
            sheets = [one for one in book.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
            if not sheets:
                raise UserError(f"{source.path}: has no sheet with cells; save one, or as CSV")
            first, *others = sorted(sheets, key=lambda one: one.visible != SheetVisibleEnum.Visible)
            for other in others:
                source.report.once(SHEETS, other.name)
            sheet = book.get_sheet_by_name(first.name)
        digits = _digits(source, first.name)
    except python_calamine.PasswordError:
        raise UserError(f"{source.path}: protected by a password; save it without") from None
    except (python_calamine.CalamineError, etree.XMLSyntaxError, LookupError, ValueError, *DAMAGED) as error:
        said = " ".join(str(error).split())
        raise UserError(f"{source.path}: damaged or no spreadsheet ({said:.80}); save it again, or as CSV") from None
    yield from _filled(sheet, digits)


def _filled(sheet: python_calamine.CalamineSheet, digits: dict[int, dict[int, int]]) -> Iterator[list[str]]:
    """Rows in which a cell merged over several rows is repeated in each of them, and numbers have their `digits`."""
    merged: dict[int, list[tuple[int, int]]] = {}  # first row -> column and last row
    margin = sheet.start[1] if sheet.start else 0  # empty columns on the left, which rows do not have
    for (top, left), (bottom, _) in sheet.merged_cell_ranges or ():
        if bottom > top and left >= margin:
            merged.setdefault(top, []).append((left - margin, bottom))
    covering: dict[int, tuple[int, str]] = {}  # column -> last row and text
    for number, cells in enumerate(sheet.iter_rows()):
        row = [_shown(cell) for cell in cells]
        for column, least in digits.get(number, {}).items():  # empty cells may have a format and lie outside the rows
            if margin <= column < margin + len(row) and row[column - margin].isdigit():
                row[column - margin] = row[column - margin].zfill(least)
        for column, (bottom, text) in covering.items():
            if number <= bottom:
                row[column] = text
        covering |= {column: (bottom, row[column]) for column, bottom in merged.get(number, ()) if column < len(row)}
        yield row


def _digits(source: Source, sheet: str) -> dict[int, dict[int, int]]:
    """Row -> column -> how many digits a number of an `.xlsx` shows at least, by a format of cells such as `000000`.

    Which cells of an `.xls` have such a format is not known; the report counts the formats.
    """
    found: dict[int, dict[int, int]] = {}
    if not zipfile.is_zipfile(source.sheet):
        data = source.sheet.read_bytes() if isinstance(source.sheet, Path) else source.sheet.read()
        for zeros in set(_XLS_ZEROS.findall(data)):
            source.report.once(PADDED, zeros.decode())
        return found
    with zipfile.ZipFile(source.sheet) as book:
        if "xl/styles.xml" not in book.namelist():
            return found
        styles = _xml(book, "xl/styles.xml")
        formats = {one.get("numFmtId"): one.get("formatCode", "") for one in styles.iterfind("{*}numFmts/{*}numFmt")}
        zeros = {name: len(shown[1]) for name, code in formats.items() if (shown := _ZEROS.fullmatch(code))}
        least = [zeros.get(one.get("numFmtId"), 0) for one in styles.iterfind("{*}cellXfs/{*}xf")]
        if not any(least):
            return found
        sheets = _xml(book, "xl/workbook.xml").iterfind("{*}sheets/{*}sheet")
        links = {one.get("name"): value for one in sheets for key, value in one.items() if key.endswith("}id")}
        parts = {one.get("Id"): one.get("Target") for one in _xml(book, "xl/_rels/workbook.xml.rels")}
        with book.open(posixpath.join("/xl", parts[links[sheet]])[1:]) as stream:
            for number, (_, row) in enumerate(etree.iterparse(stream, tag="{*}row", remove_comments=True)):
                for column, cell in enumerate(row):
                    if (many := least[int(cell.get("s", "0"))]) and cell.get("t", "n") == "n":
                        place = int(row.get("r", number + 1)) - 1
                        found.setdefault(place, {})[_column(cell.get("r", ""), column)] = many
                row.clear()
    return found


def _xml(book: zipfile.ZipFile, part: str) -> etree._Element:
    return etree.fromstring(book.read(part), etree.XMLParser(resolve_entities=False))


def _column(name: str, place: int) -> int:
    """The number of a column, from 0, by the name of its cell, such as `AB12`; `place` where the cell has no name."""
    letters = name.rstrip("0123456789")
    return reduce(lambda number, letter: 26 * number + ord(letter) - ord("A") + 1, letters, 0) - 1 if letters else place


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
