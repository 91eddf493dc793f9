"""CSV files that are safe to open in a spreadsheet, which would run a cell that begins like a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from patent_embeddings.handover.sheets import Score, Sheet, Shown

_FORMULA = tuple("=+-@\t\n＝＋－＠")


def comma_separated(sheet: Sheet) -> str:
    """A sheet as CSV at full precision; no cell is a formula.

    A column of scores becomes three columns, values and both bounds, and a fourth where there are notes.
    """
    columns = [_columns([row[place] for row in sheet.rows]) for place in range(len(sheet.head))]
    head = [f"{head} {one}" if one else head for head, parts in zip(sheet.head, columns, strict=True) for one in parts]
    pairs = (zip(row, columns, strict=True) for row in sheet.rows)
    return written(head, ([_part(value, one) for value, parts in row for one in parts] for row in pairs))


def written(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV; no cell is a formula, None and NaN are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(plain, head))
    writer.writerows(["" if one is None or one != one else plain(one) for one in row] for row in rows)
    return text.getvalue()


def _columns(values: Sequence[Shown]) -> list[str]:
    """Suffixes of the columns that a column becomes: "" for the value, and for scores those of bounds and note."""
    scores = [value for value in values if isinstance(value, Score)]
    return ["", *(["low", "high"] if scores else []), *(["note"] if any(one.note for one in scores) else [])]


def _part(value: Shown, name: str) -> Any:
    """The value itself where `name` is "", or a bound or the note of a score."""
    if isinstance(value, Score):
        return getattr(value, name or "value")
    return None if name else value


def plain(value: Any) -> Any:
    """A cell that no spreadsheet runs: text that begins like a formula gets an apostrophe, numbers stay as they are."""
    if not isinstance(value, str):
        return value
    value = value.replace("\r\n", "\n").replace("\r", "\n")  # csv does not quote \r, which ends a row
    if not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}" if len(value) > 1 else value
    return value
