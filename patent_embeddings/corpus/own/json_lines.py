"""Our own form as JSON: one object a line, an array, or objects over several lines; plain or gzipped."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.own.fields import Fault, Reading, kind
from patent_embeddings.corpus.reading.source import Source
from patent_embeddings.corpus.reading.text import wide

_BETWEEN = re.compile(r"[\s,]*")


def read(file: Reading) -> Iterator[tuple[str, dict[str, Any]]]:
    """Objects with their places.

    Raises UserError, which names the line and the mend, where the file is damaged or not UTF-8.
    """
    if encoding := wide(Source(file.path).head()):
        raise UserError(f"{file.path}: {encoding.upper()}, not UTF-8; save the file as UTF-8")
    for place, value in _found(file):
        try:
            record = _decoded(value) if isinstance(value, bytes) else value
            if not isinstance(record, dict):
                raise Fault(f"{kind(record)}, expected one JSON object a line")
        except Fault as fault:
            raise fault.at(file.path, place) from None
        yield place, record


def _found(file: Reading) -> Iterator[tuple[str, Any]]:
    """Places with lines as bytes; or with values, if the first line shows an array or an object over several lines."""
    lines = _lines(file)
    for first in lines:
        if first[1].lstrip().startswith(b"[") or _goes_on(first[1]):
            yield from _values(file, b"".join([first[1], *(line for _, line in lines)]))
        else:
            yield from itertools.chain([first], lines)


def _lines(file: Reading) -> Iterator[tuple[str, bytes]]:
    path, number = file.path, 0
    try:
        with path.open("rb") as start:
            packed = start.read(2) == b"\x1f\x8b" or path.name.lower().endswith(".gz")
        with gzip.open(path, "rb") if packed else path.open("rb") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(file.limit + 1), b""), start=1):
                file.expands(len(line))
                if line.strip():
                    # Some editors write a byte order mark.
                    yield f"line {number}", line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: damaged gzip after line {number} ({error}); compress or copy it again") from None


def _goes_on(line: bytes) -> bool:
    """Whether a line is the beginning of a valid object."""
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return line.lstrip().startswith(b"{") and error.pos >= len(error.doc.rstrip())
    except (ValueError, RecursionError):
        pass
    return False


def _values(file: Reading, content: bytes) -> Iterator[tuple[str, Any]]:
    """The objects of arrays, or of objects that follow one another."""
    path = file.path
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    values: list[Any] = []
    try:
        text = content.decode("utf-8")
        at = _BETWEEN.match(text).end()  # type: ignore[union-attr]
        while at < len(text):
            value, end = decoder.raw_decode(text, at)
            values += value if isinstance(value, list) else [value]
            at = _BETWEEN.match(text, end).end()  # type: ignore[union-attr]
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start + 1} is not UTF-8; save the file as UTF-8") from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply; values are texts and lists of texts") from None
    except (ValueError, Fault) as error:
        said = f"not JSON ({error!s:.100}); write one JSON object a line, or an array of them"
        raise UserError(f"{path}: record {len(values) + 1}: {said}") from None
    yield from ((f"record {number}", value) for number, value in enumerate(values, start=1))


def _decoded(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8"), object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise Fault(f"byte {error.start + 1} is not UTF-8; save the file as UTF-8") from None
    except RecursionError:
        raise Fault("nested too deeply; values are texts and lists of texts") from None
    except ValueError as error:
        raise Fault(f"not JSON ({error!s:.80}); write one JSON object a line") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise Fault("a key is given twice; keep one of them")
    return value
