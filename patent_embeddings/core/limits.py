"""Answers of a network that may not go on without end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

SLOWEST = 1 << 10  # bytes a second, on average; less is no download
GRACE = 30  # seconds after which that counts


class TooMuch(Exception):
    """An answer is larger than what was asked for can be."""


def limited(pieces: Iterable[bytes], most: int, what: str) -> Iterator[bytes]:
    """The pieces of the answer `what`. Raises TooMuch above `most` bytes, TimeoutError where they come too slowly."""
    began, size = time.monotonic(), 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise TooMuch(f"{what} does not end after {most:,} bytes")
        if (passed := time.monotonic() - began) > GRACE and size < SLOWEST * passed:
            raise TimeoutError(f"{what} brings less than {SLOWEST:,} bytes a second")
        yield piece


def stated(length: str) -> int | None:
    """Bytes that an answer's `Content-Length` says; None where it says what is no number."""
    return int(length) if length.isdecimal() and len(length) < 20 else None
