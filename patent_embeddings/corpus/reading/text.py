"""Lines of a stream of bytes in UTF-8, Windows-1252, UTF-16 or UTF-32, with any line ends."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from patent_embeddings.corpus.reading.source import Report

_CHUNK = 1 << 20  # bytes decoded at once
_LETTERS = 32  # bytes by which UTF-16 without a byte order mark is recognised
UTF16 = "files in UTF-16 or UTF-32"
# Byte order marks; that of UTF-32 begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
WINDOWS = "bytes that are not UTF-8, read as Windows-1252"
DAMAGED = "damaged bytes, read as \ufffd"


class Lines:
    """The lines of a stream, each with its line end (LF, CRLF or CR). The report counts bytes that are not UTF-8.

    Attributes:
        torn: whether the last line of the stream was read and has no line end.
        held: lines read since the caller cleared the list.
    """

    def __init__(self, stream: BinaryIO, report: Report) -> None:
        self.stream, self.report = stream, report
        self.torn = False
        self.held: list[str] = []
        self._good = self._bad = 0  # continuation bytes of valid UTF-8, and invalid bytes

    def __iter__(self) -> Iterator[str]:
        last = ""
        for text in self.texts():
            # The last line may continue in the next chunk, or its CR be followed by an LF.
            *whole, last = [*io.StringIO(last + text, newline="")] or [""]
            for line in whole:
                self.held.append(line)
                yield line
        if last:
            self.torn = not last.endswith(("\n", "\r"))
            self.held.append(last)
            yield last

    def texts(self) -> Iterator[str]:
        """The text of the stream in pieces."""
        data = self.stream.read(_CHUNK)
        if encoding := wide(data):
            yield from self._wide(data, encoding)
            return
        data = data.removeprefix(codecs.BOM_UTF8)
        while more := self.stream.read(_CHUNK):
            text, used = self._decoded(data, final=False)
            yield text
            data = data[used:] + more
        yield self._decoded(data, final=True)[0]

    def _wide(self, data: bytes, encoding: str) -> Iterator[str]:
        self.report.count(UTF16)
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        while data:
            more = self.stream.read(_CHUNK)
            text = decoder.decode(data, not more)
            self.report.count(DAMAGED, _around(text), text.count("\ufffd"))
            yield text
            data = more

    def _decoded(self, data: bytes, *, final: bool) -> tuple[str, int]:
        """Text, and the number of bytes decoded: as UTF-8, or as Windows-1252 where most bytes are not UTF-8."""
        try:
            text, used = codecs.utf_8_decode(data, "strict", final)
            self._good += used - len(text)
            return text, used
        except UnicodeDecodeError:
            text, used = codecs.utf_8_decode(data, "replace", final)
        sound = data.decode("utf-8", "ignore")
        broken = text.count("\ufffd") - sound.count("\ufffd")
        self._good += len(sound.encode()) - len(sound)
        self._bad += broken
        if self._good > self._bad:
            self.report.count(DAMAGED, _around(text), broken)
            return text, used
        text = data.decode("cp1252", "replace")
        self.report.count(WINDOWS, _around(text, "[^\x00-\x7f]"), broken)
        self.report.count(DAMAGED, _around(text), text.count("\ufffd"))
        return text, len(data)


def wide(data: bytes) -> str:
    """The encoding of text that begins with `data`, if it is UTF-16, or UTF-32 with a byte order mark; else ""."""
    if marked := next((name for mark, name in _MARKS.items() if data.startswith(mark)), ""):
        return marked
    head = data[:_LETTERS]
    first, second = not any(head[::2]), not any(head[1::2])  # Latin letters fill the other bytes with 0
    return ("utf-16-be" if first else "utf-16-le") if len(head) == _LETTERS and first != second else ""


def _around(text: str, odd: str = "\ufffd") -> str:
    """The text around the first odd character, on one line; "" where there is none."""
    found = re.search(odd, text)
    return " ".join(text[max(0, found.start() - 20) : found.start() + 20].split()) if found else ""
