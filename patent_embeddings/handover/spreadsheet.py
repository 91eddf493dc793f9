"""CSV files that people open in spreadsheets, which run a cell that begins as a formula does."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from patent_embeddings.handover.sheets import Score, Sheet, Shown

_FORMULA = tuple("=+-@\t\n＝＋－＠")


def comma_separated(sheet: Sheet) -> str:
    """A sheet as CSV at full precision; no cell is a formula.

    A column of scores takes three, their values and both bounds, and one more where something is noted beside one.
    """
    columns = [_columns([row[place] for row in sheet.rows]) for place in range(len(sheet.head))]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [f"{head} {one}" if one else head for head, parts in zip(sheet.head, columns, strict=True) for one in parts]
    )
    for row in sheet.rows:
        cells = [_part(value, one) for value, parts in zip(row, columns, strict=True) for one in parts]
        writer.writerow(["" if one is None or one != one else plain(one) for one in cells])
    return text.getvalue()


def _columns(values: Sequence[Shown]) -> list[str]:
    """What a column becomes: the value, "", and of scores what stands beside it."""
    scores = [value for value in values if isinstance(value, Score)]
    return ["", *(["low", "high"] if scores else []), *(["note"] if any(one.note for one in scores) else [])]


def _part(value: Shown, name: str) -> Any:
    """The value itself, "", or what stands beside a score by its name."""
    if isinstance(value, Score):
        return getattr(value, name or "value")
    return None if name else value


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
