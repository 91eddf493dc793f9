"""Publication numbers in one canonical form, however a database or a person spells them.

No maintained library does this: those that exist parse what one office's own service returns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

# Publishing offices of WIPO's standard ST.3, present and past, without letters that begin a US number (`RE`, `PP`).
_OFFICES = """
    AL AM AP AR AT AU AZ BA BE BG BR BY CA CH CL CN CO CR CS CU CY CZ DD DE DK DO DZ EA EC EE EG EM EP ES FI FR GB GC GE
    GR GT HK HN HR HU ID IE IL IN IR IS IT JO JP KE KG KR KZ LI LT LU LV MA MC MD ME MK MN MT MW MX MY NI NL NO NZ OA PA
    PE PH PL PT RO RS RU SA SE SG SI SK SM SU SV TH TJ TM TN TR TT TW UA US UY UZ VE VN WO YU ZA ZM ZW
"""
OFFICES = frozenset(_OFFICES.split())
_WIDTH = {"US": 7, "WO": 6, "JP": 6, "KR": 7, "ZA": 5}  # digits after the year
_WHOLE = {"US": (6, 7, 8), "WO": (10,), "JP": (7,), "KR": (9, 11), "ZA": (9,)}  # lengths of numbers that are complete
# Kind code -> series, of offices whose series have the same numbers: JP S58-12345 is an application that was published,
# another one that was examined (B), and two utility models.
_SERIES = {
    "JP": {"A": "A", "B": "B", "C": "B", "U": "U", "Y": "Y"},
    "KR": {"A": "A", "B": "A", "U": "U", "Y": "U"},
}
_SAID = re.compile(r"[0-9][\W_]*([A-Z])[0-9]?[\W_]*$|^[\W_]*[A-Z]{2}[\W_]+([A-Z])[0-9]?[\W_]+(?=[0-9HS])")
_LONGEST = 60
_WORD = re.compile(r"[^\W\d_]{6}")  # no number has so many letters in a row
_PLAIN = re.compile(r"([A-Z]{2})[ -]?([1-9][0-9]*)(?:[ -]?[A-Z][0-9]?)?")
_FRONT = re.compile(r"[\W_]+(?:[ABCUY][0-9]?|[AOP]S)[\W_]+(?=[0-9HS])")  # EP-A-0123456, JP-A-H10-123456, DE-OS 3123456
_KIND = re.compile(r"(?<=[0-9])[\W_]*(?:[A-Z][0-9]?|AA)[\W_]*$")
_YEARLY = re.compile(r"((?:19|20)?[0-9]{2})[\s/-]+([0-9]+)")
_IMPERIAL = re.compile(r"([HSTMR])[\W_]*(?:([0-9]{1,2})[\W_]+|([0-9]{2})(?=[0-9]{1,6}$))([0-9]+)")
_NO_ERA = re.compile(r"(?:([0-9]{1,2})\s?[-/]\s?|([0-9]{2})(?=[0-9]{6}$))([0-9]{1,6})")  # 62-12345, 62012345
_RIGHT = re.compile(r"[\W_]*[123]0[\W_]+(?=(?:19|20)[0-9]{2}[\W_])")  # Korea's 10-2005-: a patent, 20: a utility model
_SIGNS = re.compile(r"[\W_]+")
_PADDING = re.compile(r"(?<![0-9])0+(?=[0-9])")


@lru_cache(maxsize=1 << 17)
def bare(number: str, country: str = "") -> str:
    """Country and number without kind code, signs and padding; "" if the text is no publication number.

    `US-2013099542-A1` and `US 2013/0099542 A1` both give `US20130099542`. `country` is the office of a number that does
    not begin with one. Japan's imperial years stay, and get their era if it is left out: `JP 10-123456` gives
    `JPH10123456`. The letters of designs, plants, reissues and utility models are part of the number.
    """
    plain = _PLAIN.fullmatch(number)
    if plain and plain[1] in OFFICES and (plain[1] not in _WIDTH or len(plain[2]) in _WHOLE[plain[1]]):
        return plain[1] + plain[2]  # as most are spelled
    text = number.strip().upper()
    if len(text) > _LONGEST or _WORD.search(text) or not any("0" <= sign <= "9" for sign in text):
        return ""
    office, rest = country.upper(), text
    if text[:2] in OFFICES and not text[2:].isalpha():
        office, rest = text[:2], text[2:]
        front = _FRONT.match(rest)
        rest = rest[front.end() :] if front else rest
    rest = _RIGHT.sub("", rest) if office == "KR" else rest
    rest = _KIND.sub("", rest).strip(" \t\r\n-/.,_:")
    if office == "JP" and (imperial := _imperial(rest)):
        return imperial
    yearly = _YEARLY.fullmatch(rest)
    digits = _SIGNS.sub("", rest)
    if office in _WIDTH and digits.isascii() and digits.isdigit():
        year, serial = yearly.groups() if yearly else ("", "")
        digits = _numbered(office, digits, year, serial)
    return office + _PADDING.sub("", digits)


def marked(number: str, country: str = "") -> str:
    """As `bare`, with the letter of its series where other documents have the same number: `JPS5812345U`.

    A number without kind code has no letter.
    """
    plain = bare(number, country)
    said = _SAID.search(number.strip().upper()) if plain[:2] in _SERIES else None
    return plain + _SERIES[plain[:2]].get(said[1] or said[2], "") if said else plain


def known_as(form: str) -> tuple[str, ...]:
    """How others may spell a number in the form of `marked`: without its series; in any one, if it says none."""
    series = sorted(set(_SERIES.get(form[:2], {}).values()))
    return (form, form[:-1]) if series and form[-1] in series else (form, *(form + letter for letter in series))


def is_number(text: str) -> bool:
    """Whether a text is a publication number with its country, and not another kind of id."""
    return text[:2].upper() in OFFICES and bool(bare(text))


def owners(families: Iterable[tuple[str, Iterable[str]]]) -> dict[str, str]:
    """The family of each publication number, from pairs of family id and publications; "" if several families have it.

    Numbers are `marked`, and there in all forms in which they are `known_as`. A family id counts too if it is a number.
    """
    found: dict[str, str] = {}
    for family, publications in families:
        for number in filter(None, map(marked, [*publications, *([family] if is_number(family) else [])])):
            found[number] = family if found.get(number, family) == family else ""
    every = dict(found)
    for number, family in found.items():
        for form in known_as(number):
            if form not in found:
                every[form] = family if every.get(form, family) == family else ""
    return every


def _imperial(rest: str) -> str:
    """A Japanese number of an imperial year; "" if it is none. They ended in 2000, so that the year tells the era."""
    if found := _IMPERIAL.fullmatch(rest):
        era, parted, year, serial = found.groups()
    elif found := _NO_ERA.fullmatch(rest):
        parted, year, serial = found.groups()
        era = "H" if 1 <= int(parted or year) <= 12 else "S" if 20 <= int(parted or year) <= 64 else ""
    return f"JP{era}{(parted or year).zfill(2)}{serial.lstrip('0')}" if found and era else ""


def _numbered(office: str, digits: str, year: str, serial: str) -> str:
    """Digits of a number that begins with a year: the year in full and the serial padded.

    `year` and `serial` are given where the spelling parts them, else "".
    """
    if office == "KR" and len(digits) == 13 and digits[:2] in ("10", "20", "30"):
        return digits[2:]  # 10 is a patent, 20 a utility model
    width = _WIDTH[office]
    parted = bool(year)
    if not parted:
        if office == "WO":
            at = 2 if len(digits) in (7, 8) else 4
        else:
            at = 4 if office in ("US", "JP") and width + 2 <= len(digits) <= width + 4 else 0
        year, serial = digits[:at], digits[at:]
    if len(year) == 2 and office == "WO":
        # Offices wrote two digits until 2004, people still do; in one run of digits 19 and 20 begin a whole year.
        year = f"19{year}" if year >= "78" else f"20{year}" if parted or year < "19" else ""
    if year[:2] not in ("19", "20") or len(year) != 4 or len(serial) > width or (office == "US" and year < "2001"):
        return digits
    return year + serial.zfill(width)
