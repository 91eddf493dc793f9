"""Limits on the size and duration of network answers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

SLOWEST = 1 << 10  # lowest average rate, bytes per second
GRACE = 30  # seconds before it is enforced


class TooMuch(Exception):
    """An answer is larger than it can be."""


def limited(pieces: Iterable[bytes], most: int, what: str) -> Iterator[bytes]:
    """Yield the pieces of an answer. Raises TooMuch above `most` bytes, TimeoutError if they come too slowly."""
    began, size = time.monotonic(), 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise TooMuch(f"{what} does not end after {most:,} bytes")
        if (passed := time.monotonic() - began) > GRACE and size < SLOWEST * passed:
            raise TimeoutError(f"{what} brings less than {SLOWEST:,} bytes a second")
        yield piece


def stated(length: str) -> int | None:
    """The number of bytes in a `Content-Length` header; None if it is not a number."""
    return int(length) if length.isdecimal() and len(length) < 20 else None
