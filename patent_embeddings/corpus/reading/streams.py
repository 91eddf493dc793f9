"""Reading the beginning of a stream of bytes, and counting the bytes that are read."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from patent_embeddings.corpus.reading.damage import suppressed


def beginning(stream: BinaryIO, size: int) -> bytes:
    """At most `size` bytes; fewer where the stream ends or is damaged."""
    read = b""
    with suppressed():
        while len(read) < size and (more := cast(io.BufferedReader, stream).read1(size - len(read))):
            read += more
    return read


def metered(stream: BinaryIO, seen: Callable[[int], None]) -> BinaryIO:
    """The stream, which calls `seen` with the number of bytes of each read."""
    return cast(BinaryIO, io.BufferedReader(_Metered(stream, seen), 1 << 20))


class _Metered(io.RawIOBase):
    """A stream that reports the bytes read from it."""

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
