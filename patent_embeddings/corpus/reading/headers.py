"""The header of a table: where it is, whether it is repeated, and its column names as the caller spells them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from functools import lru_cache

from patent_embeddings.core.errors import UserError

LONGEST = 80  # characters of a column name
JOINED = "several files were joined into one"


def named(row: list[str], known: Collection[str]) -> list[str]:
    """Column names of a header row, known ones as `known` spells them."""
    spelled = {fold(name): name for name in known}
    return [spelled.get(fold(name), name.strip()) for name in row]


def unique(path: str, names: list[str], known: Collection[str]) -> list[str]:
    """The names unchanged. Raises UserError where a known one occurs twice."""
    twice = [name for name, count in Counter(names).items() if count > 1 and name in known]
    if twice:
        raise UserError(f"{path}: column {twice[0]!r:.60} is given twice; keep one of them")
    return names


def best(placed: Iterable[tuple[int, list[str]]], known: Collection[str]) -> tuple[int, int]:
    """The row with most known names (the first of equals), as its place and their number; (0, 0) where none has any."""
    wanted = set(map(fold, known))
    return max(
        ((above, len(wanted.intersection(fold(name) for name in row if len(name) < LONGEST))) for above, row in placed),
        key=lambda found: found[1],
        default=(0, 0),
    )


def again(row: list[str], names: list[str], known: Collection[str]) -> bool:
    """Whether a row repeats the header: it has the same names, or at least as many known ones (and two or more)."""
    wanted, every = set(map(fold, known)), set(map(fold, names))
    if len(row) == len(names) and {fold(unmarked(cell)) for cell in row if len(cell) < LONGEST} == every:
        return True
    return sum(among(cell, wanted) for cell in row) >= max(2, sum(name in known for name in names))


def stands(lines: Iterable[str], delimiter: str, names: list[str]) -> bool:
    """Whether one of the lines is a header; its first name may be glued to the last field of the file before."""
    wanted = set(map(fold, names[1:])) - {""}
    rows = (line.split(delimiter) for line in lines)
    found = ({fold(unmarked(cell.strip())) for cell in row if len(cell) < LONGEST} for row in rows)
    return len(wanted) > 1 and any(wanted <= one for one in found)


def among(cell: str, folded: Collection[str]) -> bool:
    """Whether a cell is one of the folded names."""
    return len(cell) < LONGEST and fold(unmarked(cell)) in folded


def unmarked(cell: str) -> str:
    """A cell without a byte order mark and the quotes behind it."""
    return cell.lstrip("\ufeff").strip('"')


@lru_cache(maxsize=1 << 14)
def fold(name: str) -> str:
    """A name in the form in which names are compared: without differences of case and blanks."""
    return " ".join(unicodedata.normalize("NFKC", name).split()).casefold()
