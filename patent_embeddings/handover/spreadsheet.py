"""CSV files that people open in spreadsheets, which run a cell that begins as a formula does."""

from __future__ import annotations

import csv
import io
from typing import Any

from patent_embeddings.handover.sheets import Score, Sheet, Shown

_FORMULA = tuple("=+-@\t\n＝＋－＠")


def comma_separated(sheet: Sheet) -> str:
    """A sheet as CSV; a score takes three columns, its value and both bounds; no cell is a formula."""
    scored = [any(isinstance(row[place], Score) for row in sheet.rows) for place in range(len(sheet.head))]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads = zip(sheet.head, scored, strict=True)
    writer.writerow(
        [name for head, wide in heads for name in ([head, f"{head} low", f"{head} high"] if wide else [head])]
    )
    for row in sheet.rows:
        cells = [one for value, wide in zip(row, scored, strict=True) for one in _spread(value, wide)]
        writer.writerow(["" if one is None or one != one else plain(one) for one in cells])
    return text.getvalue()


def _spread(value: Shown, wide: bool) -> list[Any]:
    """The columns that a value takes; three in a column that holds a score."""
    if isinstance(value, Score):
        return [value.value, value.low, value.high]
    return [value, None, None] if wide else [value]


def plain(value: Any) -> Any:
    """A cell as it may stand in such a file: text that would be run is led by an apostrophe, numbers are not."""
    if not isinstance(value, str):
        return value
    value = value.replace("\r\n", "\n").replace("\r", "\n")  # the csv module quotes no return, which ends a row
    if not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}" if len(value) > 1 else value
    return value
