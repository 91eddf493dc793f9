"""Lists in a cell, whatever stands between their entries."""

from __future__ import annotations

import re
from collections.abc import Iterable

from patent_embeddings.corpus.families import absent

_BETWEEN = re.compile(r"[;|\r\n]+")
_BETWEEN_CODES = re.compile(r"[;|\r\n]+|[\s,]+(?=[A-HY][0-9]{2}[A-Z])|(?<=[)\]])(?=[A-HY][0-9]{2}[A-Z])")

_ROUNDED = re.compile(r"[0-9](?:[.,][0-9]+)?E\+?[0-9]+", re.IGNORECASE)


def rounded(cell: str) -> bool:
    """Whether a spreadsheet has rounded a number, so that others look the same: `2.02E+10`."""
    return bool(_ROUNDED.fullmatch(cell))


def entries(cell: str) -> list[str]:
    """Entries by semicolons, bars or line breaks."""
    return present(_BETWEEN.split(cell))


def codes(cell: str) -> list[str]:
    """Codes of IPC or CPC, between which there may be blanks or commas only."""
    return present(_BETWEEN_CODES.split(cell))


def present(parts: Iterable[str]) -> list[str]:
    """Entries that are not absent."""
    return [part.strip() for part in parts if not absent(part)]
