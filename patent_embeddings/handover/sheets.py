"""CSV files that people open in spreadsheets, which run a cell that begins as a formula does."""

from __future__ import annotations

from typing import Any

_FORMULA = tuple("=+-@\t\n＝＋－＠")


def plain(value: Any) -> Any:
    """A cell as it may stand in such a file: text that a spreadsheet would run is led by an apostrophe, numbers are not."""
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
