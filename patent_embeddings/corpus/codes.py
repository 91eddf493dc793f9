"""IPC and CPC codes in one canonical form, and the IN/OUT scope that follows from them.

A canonical code is `A01B1/00`, or `A01B`, `A01` or `A` if the source gives no more.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_LONGEST = 200  # characters: a code with its marks has about sixty
# One pattern for both: CPC adds section Y and longer subgroups. Padding zeros of the group, the edition, the office and
# the marks of ST.8 (version date, level, position, ...) are dropped.
_CODE = re.compile(
    r"""
    (?:\(5[0-9]\)\s*)?                                         # (51), the field of a front page
    (?:(?:INT\W{0,3}CL\w*|IPC\w?|CPC\w?)[^A-Z0-9]*             # Int. Cl.7, IPC8:
       (?:\(?[0-9]{1,4}(?:\.[0-9]{2})?\)?[^A-Z0-9]*)?)?
    (?P<section>[A-HY])
    (?:\s*(?P<class>[0-9]{2})
       (?:\s*(?P<subclass>[A-Z])
          (?:(?P<padded>[0-9]{4})(?P<filled>[0-9]{6})          # A01B0001000000, the fixed form of ST.8
            |[\s_-]*0*(?P<group>[1-9][0-9]{0,3})\s*[/:]\s*(?P<subgroup>[0-9]{2,6})\*?
             (?:\s*[(\[][^()\[\]]*[)\]][IN]?                   # (2006.01), (EP,US), (2006.01)i
               |[\s,]+(?:[0-9]{8}\w*|[A-Z]{1,3}|[0-9]{4}[./-][0-9]{2}(?:[./-][0-9]{2})?))*
            |[0-9]+                                            # no slash: group and subgroup cannot be told apart
            |\s*[/-])?
       )?
       (?:\s*[(\[][^()\[\]]*[)\]])*
    )?
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=1 << 16)
def parse(text: str) -> str | None:
    """The canonical form of a code, as far as the text gives it; None if the text is no code."""
    if len(text) > _LONGEST:
        return None
    cleaned = " ".join(unicodedata.normalize("NFKC", text).upper().split()).strip(" \"'.").lstrip("/")
    found = _CODE.fullmatch(cleaned)
    if found is None:
        return None
    subclass = "".join(found[part] or "" for part in ("section", "class", "subclass"))
    if found["padded"]:
        return f"{subclass}{int(found['padded'])}/{found['filled'].rstrip('0').ljust(2, '0')}"
    return f"{subclass}{found['group']}/{found['subgroup']}" if found["group"] else subclass


def prefixes(codes: Iterable[str], length: int) -> list[str]:
    """Distinct prefixes of this length, in order of first appearance; shorter codes and other texts are skipped."""
    parsed = (parse(code) for code in codes)
    return list(dict.fromkeys(code[:length] for code in parsed if code and len(code) >= length))


def classes(codes: Iterable[str]) -> list[str]:
    """Distinct IPC classes, such as A01: the domains of a family or query. CPC's section Y is no part of the IPC."""
    return [name for name in prefixes(codes, 3) if name[0] != "Y"]


def scope(query: list[str], family: list[str]) -> str:
    """`in` if the classes of a query and a family overlap, `out` if not, `unknown` if one of them has none."""
    if not query or not family:
        return "unknown"
    return "out" if set(query).isdisjoint(family) else "in"
