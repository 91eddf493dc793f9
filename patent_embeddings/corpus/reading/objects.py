"""JSON objects of a stream, read one at a time: one a line, in an array, or over several lines each."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import numpy as np
import orjson

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.reading.source import CUT, Report
from patent_embeddings.corpus.reading.text import LETTERS, UTF16, wide

_CHUNK = 1 << 20
_LONGEST = 64 << 20  # bytes of a record; a longer one means that a quote is damaged
_BOM = b"\xef\xbb\xbf"
_BETWEEN = re.compile(rb"[\s,\[\]]*")
_BEGINNING = re.compile(rb"\s*(?:\[\s*)?(?:\{|$)")
_NAME = re.compile(rb'(?<!\\)"(\w+)"\s*:')
_UNFINISHED = re.compile(r"[-\\]?\w{0,5}\s*")  # the beginning of a number, `true` or an escape


def in_utf8(head: bytes) -> bytes:
    """Text as UTF-8 without a byte order mark, also from UTF-16, which Windows shells write."""
    return head.decode(encoding, "ignore").encode() if (encoding := wide(head)) else head.removeprefix(_BOM)


def begins(head: bytes) -> bool:
    """Whether a stream begins with an object, or an array of objects."""
    return _BEGINNING.match(in_utf8(head)) is not None


def names(head: bytes) -> set[str]:
    """Keys in the objects that a stream begins with, at any depth; none where it does not begin with an object."""
    return {name.decode() for name in _NAME.findall(in_utf8(head))} if begins(head) else set()


def objects(stream: BinaryIO, path: str, report: Report) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object with its place, such as `record 3`; one is in memory at a time.

    A stream that was cut off ends with its last whole object. The report counts that, and bytes that are not UTF-8.
    Raises UserError, which names path, record, line and mend, where something is not a JSON object.
    """
    cut = report.counts.get(CUT, 0)
    if encoding := wide(cast(io.BufferedReader, stream).peek(LETTERS)):
        report.count(UTF16, path)
        stream = io.BytesIO(stream.read().decode(encoding, "replace").encode())  # saved by a console, so small
    for number, (line, raw, whole) in enumerate(_raw(stream, path), start=1):
        place = f"record {number}"
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError:
            if not whole and _unfinished(raw):
                if report.counts.get(CUT, 0) == cut:  # a cut gzip is counted already
                    report.count(CUT, path)
                return
            value = _read_slowly(raw, f"{path}: {place}, from line {line}", report)
        if not isinstance(value, dict):
            raise UserError(f"{path}: {place}, line {line}: no JSON object; export or copy the file again")
        yield place, value


def _raw(stream: BinaryIO, path: str) -> Iterator[tuple[int, bytes, bool]]:
    """(line on which an object begins, its text, whether it is whole); only the last may be incomplete."""
    first = stream.readline(_CHUNK)
    line = 1
    while first and not first.removeprefix(_BOM).strip():
        first, line = stream.readline(_CHUNK), line + 1
    first = first.removeprefix(_BOM)
    if not _is_object(first):
        yield from _scanned(_chunks(first, stream), line, path)
        return
    lines = itertools.chain([first], iter(lambda: stream.readline(_LONGEST), b""))
    for number, text in enumerate(lines, start=line):
        if len(text) == _LONGEST:
            raise _endless(path, number)
        if not text.isspace():
            yield number, text, text.endswith(b"\n")


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _chunks(first: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """Chunks of a stream, none of which ends within an escape."""
    chunk = first
    while chunk:
        while chunk.endswith(b"\\") and (more := stream.read(1)):
            chunk += more
        yield chunk
        chunk = stream.read(_CHUNK)


def _scanned(chunks: Iterator[bytes], line: int, path: str) -> Iterator[tuple[int, bytes, bool]]:
    """As `_raw`, for objects that end where the braces outside strings balance."""
    held = b""
    depth = quotes = open_arrays = 0
    for chunk in chunks:
        ends, depth, quotes = _borders(chunk, depth, quotes)
        start = 0
        for end in ends:
            line, raw, arrays = _piece(held + chunk[start:end], line)
            open_arrays += arrays
            yield line, raw, True
            line += raw.count(b"\n")
            held, start = b"", end
        held += chunk[start:]
        if len(held) > _LONGEST:
            raise _endless(path, line)
    line, raw, arrays = _piece(held, line)
    if raw or open_arrays + arrays > 0:
        yield line, raw, False


def _borders(chunk: bytes, depth: int, quotes: int) -> tuple[list[int], int, int]:
    """Where objects end in a chunk, and how many braces and quotes are open at its end."""
    plain = np.frombuffer(chunk.replace(b"\\\\", b"  ") if b"\\\\" in chunk else chunk, dtype=np.uint8)
    quoted = np.flatnonzero(plain == ord('"'))
    quoted = quoted[plain[quoted - 1] != ord("\\")]  # no chunk ends within an escape
    braces = np.flatnonzero((plain == ord("{")) | (plain == ord("}")))
    braces = braces[(np.searchsorted(quoted, braces) + quotes) % 2 == 0]
    depths = depth + np.cumsum(np.where(plain[braces] == ord("{"), 1, -1))
    ends = (braces[depths == 0] + 1).tolist()
    return ends, int(depths[-1]) if len(depths) else depth, (quotes + len(quoted)) % 2


def _piece(text: bytes, line: int) -> tuple[int, bytes, int]:
    """The line on which an object begins, its text, and how many more arrays are opened than closed before it."""
    between = _BETWEEN.match(text).group()  # type: ignore[union-attr]
    return line + between.count(b"\n"), text[len(between) :], between.count(b"[") - between.count(b"]")


def _endless(path: str, line: int) -> UserError:
    said = f"no end of the record within {_LONGEST >> 20} MiB, as where a quote is damaged"
    return UserError(f"{path}: line {line}: {said}; export or copy the file again")


def _unfinished(raw: bytes) -> bool:
    """Whether a text is the beginning of valid JSON."""
    text = raw.decode("utf-8", "ignore")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.msg.startswith("Unterminated string") or (
            error.msg != "Extra data" and _UNFINISHED.fullmatch(text, error.pos) is not None
        )
    except (ValueError, RecursionError):
        pass
    return False


def _read_slowly(raw: bytes, where: str, report: Report) -> Any:
    """Parse what orjson refuses but some programs write: NaN, lone surrogates, bytes that are not UTF-8."""
    try:
        value = json.loads(raw.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON ({error!s:.80}); export or copy the file again") from None
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        report.count("records with bytes that are no UTF-8, read as \ufffd", where)
    return value
