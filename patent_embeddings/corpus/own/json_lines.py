"""Our own form as JSON: one object a line, an array, or objects over several lines; plain or gzipped."""

from __future__ import annotations

import codecs
import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.own.fields import Fault, Reading, kind, placed
from patent_embeddings.corpus.reading.source import CUT, Source
from patent_embeddings.corpus.reading.text import wide

_BETWEEN = re.compile(r"[\s,]*")


def read(file: Reading) -> Iterator[tuple[str, dict[str, Any]]]:
    """Objects with their places.

    Raises UserError, which names the line and the mend, where the file is damaged or not UTF-8.
    """
    source = Source(file.path)
    if encoding := wide(source.head()):
        raise UserError(f"{file.path}: {encoding.upper()}, not UTF-8; save the file as UTF-8")
    for place, value in _found(source):
        with placed(file.path, place), _sound():
            record = json.loads(value.decode("utf-8"), object_pairs_hook=_unique) if isinstance(value, bytes) else value
            if not isinstance(record, dict):
                raise Fault(f"{kind(record)}, expected one JSON object a line")
        yield place, record


def _found(source: Source) -> Iterator[tuple[str, Any]]:
    """Places with lines as bytes; or with values, if the first line shows an array or an object over several lines."""
    lines = _lines(source)
    for first in lines:
        if first[1].lstrip().startswith(b"[") or _goes_on(first[1]):
            yield from _values(source.path, b"".join([first[1], *(line for _, line in lines)]))
        else:
            yield from itertools.chain([first], lines)


def _lines(source: Source) -> Iterator[tuple[str, bytes]]:
    with source.open() as stream:
        for number, line in enumerate(itertools.chain(stream, [b""]), start=1):
            if CUT in source.report.counts:  # this line may be a part of one
                said = f"after line {number - 1}: the end of the file is missing"
                raise UserError(f"{source.path}: {said}; compress or copy it again")
            if line.strip():
                # Some editors write a byte order mark.
                yield f"line {number}", line.removeprefix(codecs.BOM_UTF8) if number == 1 else line


def _goes_on(line: bytes) -> bool:
    """Whether a line is the beginning of a valid object."""
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return line.lstrip().startswith(b"{") and error.pos >= len(error.doc.rstrip())
    except (ValueError, RecursionError):
        pass
    return False


def _values(path: Path, content: bytes) -> Iterator[tuple[str, Any]]:
    """The objects of arrays, or of objects that follow one another."""
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    values: list[Any] = []
    try:
        with _sound():
            text = content.decode("utf-8")
            at = _BETWEEN.match(text).end()  # type: ignore[union-attr]
            while at < len(text):
                value, end = decoder.raw_decode(text, at)
                values += value if isinstance(value, list) else [value]
                at = _BETWEEN.match(text, end).end()  # type: ignore[union-attr]
    except Fault as fault:
        raise UserError(f"{path}: record {len(values) + 1}: {fault}") from None
    yield from ((f"record {number}", value) for number, value in enumerate(values, start=1))


@contextmanager
def _sound() -> Iterator[None]:
    """Turn errors about text that is no JSON, or not UTF-8, into a Fault."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise Fault(f"byte {error.start + 1} is not UTF-8; save the file as UTF-8") from None
    except RecursionError:
        raise Fault("nested too deeply; values are texts and lists of texts") from None
    except ValueError as error:
        raise Fault(f"not JSON ({error!s:.80}); write one JSON object a line, or an array of them") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise Fault("a key is given twice; keep one of them")
    return value
