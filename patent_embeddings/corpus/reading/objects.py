"""JSON objects of a stream, read one at a time: one a line, in an array, or over several lines each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.reading.source import CUT, Report
from patent_embeddings.corpus.reading.text import Lines, wide

_MEND = "export or copy the file again, one JSON object a line"
_LONGEST = 64 << 20  # characters of a record; a longer one means that a quote is damaged
_BOM = b"\xef\xbb\xbf"
_BETWEEN = re.compile(r"[\s\ufeff,\[\]]*")  # a mark stands where files were joined
_BEGINNING = re.compile(rb"\s*(?:\[\s*)?(?:\{|$)")
_NAME = re.compile(rb'(?<!\\)"(\w+)"\s*:')
_UNFINISHED = re.compile(r"[-+.\\\w]{0,9}\s*")  # the beginning of a number, `-Infinity` or an escape
_decode = json.JSONDecoder().raw_decode


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
    text, line, number, arrays = "", 1, 1, 0  # the number of the next record, and of the arrays that are open
    for more in chain(Lines(stream, report).texts(), [""]):
        text, at = text + more, 0
        while True:
            between = _BETWEEN.match(text, at)[0]  # type: ignore[index]
            at, line = at + len(between), line + between.count("\n")
            arrays += between.count("[") - between.count("]")
            if at == len(text):
                break
            where = f"{path}: record {number}, from line {line}"
            try:
                value, end = _decode(text, at)
            except (ValueError, RecursionError) as error:
                if not (isinstance(error, json.JSONDecodeError) and _goes_on(error, text)):
                    said = getattr(error, "msg", error)
                    raise UserError(f"{where}: not JSON ({said!s:.80}); {_MEND}") from None
                if len(text) - at > _LONGEST:
                    said = f"no end within {_LONGEST >> 20} MiB, as where a quote is damaged"
                    raise UserError(f"{where}: {said}; {_MEND}") from None
                break
            if not isinstance(value, dict):
                raise UserError(f"{where}: {value!r:.40} is no JSON object; {_MEND}")
            yield f"record {number}", value
            at, line, number = end, line + text.count("\n", at, end), number + 1
        text = text[at:]
    if (text or arrays > 0) and report.counts.get(CUT, 0) == cut:  # a cut gzip is counted already
        report.count(CUT, path)


def _goes_on(error: json.JSONDecodeError, text: str) -> bool:
    """Whether a text that cannot be parsed is the beginning of valid JSON."""
    return error.msg.startswith("Unterminated string") or _UNFINISHED.fullmatch(text, error.pos) is not None
