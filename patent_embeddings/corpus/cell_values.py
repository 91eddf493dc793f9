"""What stands in a cell: nothing, a number that a spreadsheet rewrote, a date, or a list."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable
from typing import Any

# What programs write where there is nothing, as a whole cell or entry, in any case: pandas' list, the dashes of people,
# an empty list or text as it is printed, and the null of databases.
ABSENT = frozenset(
    {
        "", "-", "--", "–", "—", "n.a.", "nat", "nil", "na", "n/a", "nan", "none", "null", "-nan", "<na>",
        "#n/a", "#n/a n/a", "#na", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
        "[]", "{}", "()", "[nan]", "[none]", "[null]", "['']", '[""]', "''", '""', "\\n", "(null)", "<null>",
    }
)  # fmt: skip


def absent(value: Any) -> bool:
    """Whether a cell or an entry of a list stands for nothing: null, NaN, blank, or one of `ABSENT`."""
    if isinstance(value, str):
        text = value.strip()
        return len(text) < 12 and text.casefold() in ABSENT
    return value is None or (isinstance(value, float) and math.isnan(value))


_REWRITTEN = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?E\+[0-9]+", re.IGNORECASE)
_BETWEEN = re.compile(r"[;|\r\n]+")
_BETWEEN_CODES = re.compile(r"[;|\r\n]+|[\s,]+(?=[A-HY][0-9]{2}[A-Z])|(?<=[)\]])(?=[A-HY][0-9]{2}[A-Z])")


def rewritten(cell: str) -> bool:
    """Whether a spreadsheet has rounded a number, so that others look the same: `2.02E+10`; `12E5` may be an id."""
    return bool(_REWRITTEN.fullmatch(cell.strip()))


def cause(name: str) -> str:
    """What there is to say of an id that nothing has, where a spreadsheet has rewritten it; "" of others."""
    return ", which a spreadsheet rewrote" if rewritten(name) else ""


def whole(cell: str) -> str:
    """A number, which programs that do not know absent whole ones have written with a point: `123.0`."""
    return cell.strip().removesuffix(".0")


def is_date(cell: str) -> bool:
    """Whether a cell is a date as `2002-03-25`, the one form of ISO that is written; Python reads others too."""
    try:
        return datetime.date.fromisoformat(cell).isoformat() == cell
    except ValueError:
        return False


def entries(cell: str) -> list[str]:
    """Entries by semicolons, bars or line breaks."""
    return present(_BETWEEN.split(cell))


def codes(cell: str) -> list[str]:
    """Codes of IPC or CPC, between which there may be blanks or commas only."""
    return present(_BETWEEN_CODES.split(cell))


def present(parts: Iterable[str]) -> list[str]:
    """Entries that are not absent."""
    return [part.strip() for part in parts if not absent(part)]
