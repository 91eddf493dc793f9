"""Parsing cells of tables: absent values, numbers that a spreadsheet rewrote, dates and lists."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable
from typing import Any

# Spellings of an absent value, as a whole cell or entry, in any case: pandas' list, dashes, printed empty lists and
# texts, and the null of databases.
ABSENT = frozenset(
    {
        "", "-", "--", "–", "—", "n.a.", "nat", "nil", "na", "n/a", "nan", "none", "null", "-nan", "<na>",
        "#n/a", "#n/a n/a", "#na", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
        "[]", "{}", "()", "[nan]", "[none]", "[null]", "['']", '[""]', "''", '""', "\\n", "(null)", "<null>",
    }
)  # fmt: skip


def absent(value: Any) -> bool:
    """Whether a cell or an entry of a list is absent: null, NaN, blank, or one of `ABSENT`."""
    if isinstance(value, str):
        text = value.strip()
        return len(text) < 12 and text.casefold() in ABSENT
    return value is None or (isinstance(value, float) and math.isnan(value))


_REWRITTEN = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?E\+[0-9]+", re.IGNORECASE)
_BETWEEN = re.compile(r"[;|\r\n]+")
_BETWEEN_CODES = re.compile(r"[;|\r\n]+|[\s,]+(?=[A-HY][0-9]{2}[A-Z])|(?<=[)\]])(?=[A-HY][0-9]{2}[A-Z])")


def rewritten(cell: str) -> bool:
    """Whether a spreadsheet has rounded a number, as in `2.02E+10`, so that several look alike; `12E5` may be an id."""
    return bool(_REWRITTEN.fullmatch(cell.strip()))


def cause(name: str) -> str:
    """The end of a message about an unknown id: that a spreadsheet rewrote it, or ""."""
    return ", which a spreadsheet rewrote" if rewritten(name) else ""


def whole(cell: str) -> str:
    """A whole number without the `.0` that programs add which store it as a float: `123.0`."""
    return cell.strip().removesuffix(".0")


def is_date(cell: str) -> bool:
    """Whether a cell is a date in the form `2002-03-25`; Python also reads other ISO forms."""
    try:
        return datetime.date.fromisoformat(cell).isoformat() == cell
    except ValueError:
        return False


def entries(cell: str) -> list[str]:
    """Entries of a cell, separated by semicolons, bars or line breaks."""
    return present(_BETWEEN.split(cell))


def codes(cell: str) -> list[str]:
    """IPC or CPC codes of a cell, separated as `entries`, or only by blanks or commas."""
    return present(_BETWEEN_CODES.split(cell))


def present(parts: Iterable[str]) -> list[str]:
    """The entries that are not absent, stripped."""
    return [part.strip() for part in parts if not absent(part)]


# Of families and of queries.
IDS = "ids have no blank, slash or control character and at most 200 characters; replace them, such as by '-'"


def is_id(text: str) -> bool:
    """Whether a text follows the rule of `IDS`."""
    return text.isprintable() and not any(sign in text for sign in " /\\") and len(text) <= 200


def storable(text: str) -> bool:
    """Whether a table can hold a text: not with NUL or half of a surrogate pair, as damaged JSON has."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
