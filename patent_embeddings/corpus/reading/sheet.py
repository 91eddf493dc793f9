"""Tables: CSV with any delimiter, and spreadsheets. The header may be some lines below the top."""

from __future__ import annotations

import csv
import io
import itertools
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.reading import headers, spreadsheet
from patent_embeddings.corpus.reading.source import Report, Source
from patent_embeddings.corpus.reading.text import Lines

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
CUT_ROW = "rows that the end of a file cuts off, left out"
HEAD_AGAIN = "rows that repeat the header, left out"
TOTAL = "rows of totals, left out"
OPEN_END = "files without a line end after the last row: it is whole, or its last field is cut"
FULL = "cells of 32,767 characters, the most that a spreadsheet keeps: the rest of the text may be lost"
_LONGEST = 32_767
# The first cell of a row of totals, and the others of it.
_SUM = re.compile(
    r"\W*(?:(?:grand |sub)?totals?|sum|summe|gesamt(?:summe|ergebnis)?|insgesamt|total g[ée]n[ée]ral|somme)\b[\W\d]*"
    r"(?:(?:results?|records?|rows?|patents?|publications?|families|documents?)\b[\W\d]*)?",
    re.IGNORECASE,
)
_FIGURE = re.compile(r"[\d.,'’%\s]*")
_FILES = 20  # of an archive or folder that `members` looks at
_TOP = 30  # lines in which the header is looked for
# Quotes in quoted fields are doubled, or escaped; or quotes mean nothing.
_QUOTINGS: tuple[dict[str, Any], ...] = (
    {"strict": True},
    {"strict": True, "doublequote": False, "escapechar": "\\"},
    {"quoting": csv.QUOTE_NONE},
)

Row = tuple[str, dict[str, str]]  # its place, and its cells by known column


@dataclass
class Sheet:
    """A table: its header, and its rows as an iterator."""

    names: list[str]  # all its columns, known ones as the caller spells them
    rows: Iterator[Row]  # read lazily, once
    above: int = 0  # lines above the header
    delimiter: str = ""  # "" of a spreadsheet
    close: Callable[[], None] = lambda: None  # for callers that do not read all rows


def header(source: Source, known: Collection[str], member: str | None = None) -> list[str]:
    """Column names of a table, known ones as `known` spells them; [] where there is no known one.

    Only the beginning of the file is read. Case and blanks in names are ignored. Raises UserError where the file cannot
    be read.
    """
    if source.kind == "sheet":
        top = spreadsheet.top(source, _TOP)
        at, hits = headers.best(enumerate(top), known)
        return headers.named(top[at], known) if hits else []
    lines = _beginning(source, member)
    above, delimiter, hits = _layout(lines, known)
    if hits:
        with suppress(csv.Error):
            return headers.named(next(csv.reader(lines[above:], delimiter=delimiter)), known)
    return []


def members(source: Source, known: Collection[str], fits: Callable[[set[str]], bool]) -> list[str]:
    """Those of the first files of a source whose columns fit."""
    return [name for name in source.members[:_FILES] if fits(set(header(source, known, name)))]


def each(source: Source, known: Collection[str], fits: Callable[[set[str]], bool]) -> Iterator[Row]:
    """Rows of all files of a source, see `rows`; files whose columns do not fit are left out and counted."""
    for name in source.members:
        if name and not fits(set(header(source, known, name))):
            source.report.count("files that are no part of the export, left out", name)
        else:
            yield from rows(source, known, name).rows


def rows(source: Source, known: Collection[str], member: str | None = None, like: Collection[str] = ()) -> Sheet:
    """A table, whose rows are read lazily.

    The header is the row with most names of `known` and `like`; rows have the cells of `known` columns. Rows of empty
    fields are skipped. Rows of totals, and a last row that the end of the file cuts off, are left out; the source's
    report counts them, and bytes that are not UTF-8.

    Raises:
        UserError: the file cannot be read, or a known column occurs twice; while rows are read, one has more or fewer
            fields than the header, or breaks the rules of quoting. Names the row and the mend.
    """
    if source.kind == "sheet":
        return _of_spreadsheet(source, known, like)
    csv.field_size_limit(sys.maxsize)  # a description may be long
    name = source.members[0] if member is None else member
    path = f"{source.path}/{name}" if name else str(source.path)
    beginning = _beginning(source, name)
    above, delimiter, _ = _layout(beginning, (*known, *like))
    quoting = _quoting(beginning[above:], delimiter)
    with ExitStack() as stack:
        lines = Lines(stack.enter_context(source.open(name)), source.report)
        found = csv.reader(itertools.islice(lines, above, None), delimiter=delimiter, **quoting)
        try:
            head = next(found, [])
        except csv.Error as error:
            raise UserError(f"{path}: after row 0: {_broken(error)}") from None
        names = headers.unique(path, headers.named(head, known), known)
        opened = stack.pop_all()
        table = _checked(path, names, lines, found, delimiter, opened)
        return Sheet(names, _records(path, table, names, known, source.report), above, delimiter, opened.close)


def _records(
    path: str, table: Iterable[tuple[int, list[str]]], names: list[str], known: Collection[str], report: Report
) -> Iterator[Row]:
    """The known cells of each row that is not empty and does not repeat the header.

    A row of totals has no value in a known column; a judgement of a query `sum-1` may be all figures. Files that were
    joined have a header between them. Raises UserError where its columns are in another order, as the rows below it
    would be read wrongly.
    """
    places = [(name, place) for place, name in enumerate(names) if name in known]
    heads = set(map(headers.fold, (*known, *names))) - {""}
    at = places[0][1] if places else 0
    for number, row in table:
        if row and headers.among(row[at], heads) and headers.again(row, names, known):
            again = headers.named(list(map(headers.unmarked, row)), known)
            if any(again[place] != name for name, place in places):
                said = f"a header with other columns, or in another order, as where {headers.JOINED}"
                raise UserError(f"{path}: row {number}: {said}; take them apart")
            report.count(HEAD_AGAIN, f"row {number}")
        elif _totals(row) and not all(row[place] for _, place in places):
            report.count(TOTAL, f"row {number}")
        elif any(row):
            for name, place in places:
                if len(row[place]) == _LONGEST:
                    report.count(FULL, f"{name} of row {number}")
            yield f"row {number}", {name: _bare(row[place]) for name, place in places}


def _totals(row: list[str]) -> bool:
    """Whether a row looks like one of totals: its first cell says so, the others are empty or figures."""
    first, *others = filter(None, row) if any(row) else [""]
    return _SUM.fullmatch(first) is not None and all(map(_FIGURE.fullmatch, others))


def _bare(cell: str) -> str:
    """A cell without the formula that marks it as text for spreadsheets: `="0123"` is `0123`."""
    return cell[2:-1].replace('""', '"') if cell.startswith('="') and cell.endswith('"') and len(cell) > 2 else cell


def _checked(
    path: str, names: list[str], lines: Lines, found: Iterator[list[str]], delimiter: str, stack: ExitStack
) -> Iterator[tuple[int, list[str]]]:
    """Numbered rows below the header. Raises UserError where one has not as many fields; closes `stack` at the end."""
    number, width, report = 0, len(names), lines.report
    with stack:
        lines.held.clear()
        try:
            for number, row in enumerate(found, start=1):
                if (has := len(row)) != width and row:
                    if lines.torn and has < width and number > 1:
                        report.count(CUT_ROW, f"row {number} of {path}")
                        return
                    # Not even one empty field more is accepted: one before it may have been cut in two.
                    more, fewer = f"quote fields that hold {DELIMITERS[delimiter]}", "give every row all fields"
                    said = f"{has} fields, but the header has {width}; {more if has > width else fewer}"
                    raise UserError(f"{path}: row {number}: {_joined(lines, found, delimiter, names) or said}")
                lines.held.clear()
                yield number, row
        except csv.Error as error:
            if not number or not (lines.torn or _unclosed(error)) or _swallowed(lines.held, delimiter, width):
                said = (number and _joined(lines, found, delimiter, names)) or _broken(error)
                raise UserError(f"{path}: after row {number}: {said}") from None
            report.count(CUT_ROW, f"row {number + 1} of {path}")
            return
        if lines.torn and number and any(names[-1:]):  # a column without a name is empty and cannot be cut
            report.count(OPEN_END, path)


def _joined(lines: Lines, found: Iterator[list[str]], delimiter: str, names: list[str]) -> str:
    """What to say where the header is repeated in a faulty row or the next lines, which are read; else ""."""
    for _ in range(_TOP):
        with suppress(csv.Error):
            next(found, None)
    again = headers.stands(lines.held, delimiter, names)
    return f"{headers.JOINED} here; take them apart, and name each" if again else ""


def _broken(error: csv.Error) -> str:
    said = "a quote opens that is never closed" if _unclosed(error) else str(error)
    return f"not CSV ({said}); quote fields and double the quotes in them"


def _unclosed(error: csv.Error) -> bool:
    return "unexpected end" in str(error)


def _swallowed(lines: list[str], delimiter: str, width: int) -> bool:
    """Whether lines within an open quote are rows of their own, so that the quote is wrong and the file not cut."""
    return any(line.count(delimiter) == width - 1 for line in lines[1:])


def _of_spreadsheet(source: Source, known: Collection[str], like: Collection[str]) -> Sheet:
    top = spreadsheet.top(source, _TOP)
    above, _ = headers.best(enumerate(top), (*known, *like))
    below = itertools.islice(spreadsheet.rows(source), above, None)
    head = next(below, [])
    names = headers.unique(str(source.path), headers.named(head, known), known)
    return Sheet(names, _records(str(source.path), enumerate(below, start=1), names, known, source.report), above)


def _beginning(source: Source, member: str | None) -> list[str]:
    """The first lines of a file; the last may be incomplete."""
    return list(Lines(io.BytesIO(source.head(member)), Report()))


def _layout(lines: list[str], known: Collection[str]) -> tuple[int, str, int]:
    """Lines above the header, the delimiter and the number of known names; of the first line where none is known."""
    first = next((at for at, line in enumerate(lines) if line.strip()), 0)
    best = (first, max(DELIMITERS, key=lines[first].count) if lines else ",", 0)
    for delimiter in DELIMITERS:
        reader = csv.reader(lines[:_TOP], delimiter=delimiter)
        above, hits = headers.best(_placed(reader), known)
        if hits > best[2]:
            best = (above, delimiter, hits)
    return best


def _placed(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of lines above each, up to the first that cannot be parsed."""
    above = 0
    with suppress(csv.Error):
        for row in reader:
            yield above, row
            above = reader.line_num


def _quoting(lines: list[str], delimiter: str) -> dict[str, Any]:
    """The first of `_QUOTINGS` with which the beginning of a table can be parsed; the first of all where none can."""
    return next((quoting for quoting in _QUOTINGS if _sound(lines, delimiter, quoting)), _QUOTINGS[0])


def _sound(lines: list[str], delimiter: str, quoting: dict[str, Any]) -> bool:
    """Whether all rows have as many fields as the first; the last may be cut. Fields in quotes need a quoting."""
    if "quoting" in quoting and delimiter in ",;":  # only tables with tabs or bars do without quotes
        return False
    if "escapechar" in quoting and not any('\\"' in line for line in lines):
        return False
    reader, above, width = csv.reader(lines, delimiter=delimiter, **quoting), 0, 0
    try:
        for row in reader:
            width = width or len(row)
            if row and len(row) != width and reader.line_num < len(lines):
                return False
            if "quoting" in quoting and any(len(field) > 1 and field[0] == field[-1] == '"' for field in row):
                return False
            above = reader.line_num
    except csv.Error as error:
        return _unclosed(error) and not _swallowed(lines[above:], delimiter, width)
    return True
