"""Dates as exports and spreadsheets write them."""

from __future__ import annotations

import calendar
import datetime
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache

from patent_embeddings.corpus.cell_values import absent
from patent_embeddings.corpus.reading.sheet import Row
from patent_embeddings.corpus.reading.source import Report

_TIME = r"(?:[t ].*)?"
_YEAR = r"(?P<year>1[5-9]\d\d|2\d{3})"  # 1074 is a slip
_FORMS = tuple(
    re.compile(form + _TIME)
    for form in (
        _YEAR + r"(?P<month>\d\d)(?P<day>\d\d)",  # 20020325
        _YEAR + r"([-/.]) ?(?P<month>\d\d?)\2 ?(?P<day>\d\d?)\.?",  # 2002-03-25, 2002-3-5
        r"(?P<day>\d\d?)\. ?(?P<month>\d\d?)\. ?" + _YEAR,  # 25.03.2002
        r"(?P<day>\d\d?)[ .-]+(?P<name>[a-z]{3,9})[ .,-]+" + _YEAR,  # 25 Mar 2002
        r"(?P<name>[a-z]{3,9})[ .-]+(?P<day>\d\d?)[ ,-]+" + _YEAR,  # March 25, 2002
    )
)
# First letters of the months in English, German and French, without accents.
_MONTHS = {
    **{name: number for number, name in enumerate(map(str.lower, calendar.month_abbr)) if name},
    **{"mrz": 3, "mae": 3, "mai": 5, "okt": 10, "dez": 12, "fev": 2, "avr": 4, "juin": 6, "juil": 7, "aou": 8},
}
_EITHER = re.compile(r"(?<![\w/,.-])(\d\d?)([/-])(\d\d?)\2(\d{4})(?![\w/-])")  # 06/03/2000
# 1/26/06, 26-Jan-06, 26. 3. 06, Jan 26, 06
_SHORT = re.compile(
    r"(?:\d\d?([/-])\d\d?\1|\d\d?[. ] ?\d\d?[. ] ?|\d\d?[ .-]+[a-z]{3,9}[ .,-]+|[a-z]{3,9}[ .-]+\d\d?[ ,-]+)'?\d\d"
    + _TIME
)
_SERIAL = re.compile(r"([2-5]\d{4})(?:\.\d*)?")  # days since 1899-12-30, as spreadsheets store dates: 1954 to 2064
_FIRST = datetime.date(1899, 12, 30)
_LAST_MONTH = 12


def iso(text: str, report: Report) -> str:
    """A date in ISO form; "" where a cell has none. Counts what is no date, and dates that are ambiguous."""
    date, odd = _read(text.strip())
    report.count(odd, text.strip(), bool(odd))
    return date


@lru_cache(maxsize=1 << 15)
def _read(text: str) -> tuple[str, str]:
    """A date in ISO form, or "", and what is odd about it, or ""."""
    if absent(text):
        return "", ""
    if serial := _SERIAL.fullmatch(text):
        date = _FIRST + datetime.timedelta(int(serial[1]))
        return date.isoformat(), "dates that are numbers, read as spreadsheets count days"
    if found := _EITHER.match(text):
        first, second = int(found[1]), int(found[3])
        order = True if first == second or min(first, second) > _LAST_MONTH else _day_first(found)
        if order is None:
            return "", "dates whose day and month may be exchanged, left out as nothing says which is first"
        text = _turned(text, order)
    folded = " ".join(unicodedata.normalize("NFKD", text.lower()).split())
    plain = "".join(sign for sign in folded if not unicodedata.combining(sign))
    for form in _FORMS:
        if found := form.fullmatch(plain):
            parts = found.groupdict()
            name = parts.get("name", "")
            month = _MONTHS.get(name[:4], _MONTHS.get(name[:3], 0)) if name else parts["month"]
            with suppress(ValueError):
                return datetime.date(int(parts["year"]), int(month), int(parts["day"])).isoformat(), ""
            break
    if _SHORT.fullmatch(plain):
        return "", "dates whose year has two digits, left out as nothing says the century"
    return "", "dates that are none, left out"


def ordered(rows: Iterable[Row], columns: Collection[str]) -> Iterator[Row]:
    """Rows with dates such as `06/03/2000` in ISO form, if other dates of the columns show the order of day and month.

    The dates are unchanged where no date of the table shows it, or they disagree.
    """
    orders: set[bool | None] = set()
    held: list[Row] = []
    for place, cells in rows:
        found = [hit for name in columns for hit in _EITHER.finditer(cells.get(name, ""))]
        orders.update(map(_day_first, found))
        if held or found:
            held.append((place, cells))  # the date that shows the order may come last
        else:
            yield place, cells
    certain = orders - {None}
    order = certain.pop() if len(certain) == 1 else None
    for place, cells in held:
        yield place, cells | {name: _turned(cells[name], order) for name in columns if cells.get(name)}


def _day_first(found: re.Match[str]) -> bool | None:
    """Whether the day comes first in a date; None where both orders are possible."""
    first, second = int(found[1]) > _LAST_MONTH, int(found[3]) > _LAST_MONTH
    return None if first == second else first


def _turned(text: str, order: bool | None) -> str:
    """A text with its dates in ISO form, by whether the day comes first; unchanged where that is None."""
    if order is None:
        return text
    day, month = (1, 3) if order else (3, 1)
    return _EITHER.sub(lambda hit: f"{hit[4]}-{hit[month].zfill(2)}-{hit[day].zfill(2)}", text)
