"""Streams of bytes: some of one, and one whose bytes are counted."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from patent_embeddings.corpus.reading.damage import suppressed


def some(stream: BinaryIO, size: int) -> bytes:
    """At most so many bytes; those before a damage where there is one."""
    read = b""
    with suppressed():
        while len(read) < size and (more := cast(io.BufferedReader, stream).read1(size - len(read))):
            read += more
    return read


def metered(stream: BinaryIO, seen: Callable[[int], None]) -> BinaryIO:
    """The stream, of which `seen` is told how many bytes are read."""
    return cast(BinaryIO, io.BufferedReader(_Metered(stream, seen), 1 << 20))


class _Metered(io.RawIOBase):
    """A stream whose bytes are counted by a progress bar."""

    def __init__(self, stream: BinaryIO, seen: Callable[[int], None]) -> None:
        self.stream, self.seen = stream, seen

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self.stream.seekable()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        return self.stream.tell()

    def readinto(self, buffer: Any) -> int:
        read = self.stream.read(len(buffer))
        self.seen(len(read))
        buffer[: len(read)] = read
        return len(read)
