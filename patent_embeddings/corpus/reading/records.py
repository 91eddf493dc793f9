"""Records of a few columns from a table, from JSON, or from lines without a header."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.reading import sheet
from patent_embeddings.corpus.reading.source import Source
from patent_embeddings.corpus.reading.text import Lines

Columns = Mapping[str, tuple[str, ...]]  # field -> names that its column may have; the first present is read
Record = tuple[str, dict[str, Any]]  # its place, and its values by field
UNREAD = ""  # key of the names of the columns that were not read


def read(
    source: Source, columns: Columns, needed: str, line: Callable[[str], dict[str, Any] | None], forms: str
) -> Iterator[Record]:
    """Records of a table or of JSON, if it has a column for the field `needed`; else of the lines of a file.

    `line` parses a line without a header, and returns None where it is no record. `forms` describes what is accepted,
    for messages. Raises UserError where the file is damaged, an archive of several, or a line is not a record.
    """
    if len(source.members) != 1:
        raise UserError(f"{source.path}: holds {len(source.members)} files, expected one; name the file itself")
    known = [name for names in columns.values() for name in names]
    head = source.head().removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith((b"{", b"[")):
        yield from _named(_objects(source), columns, needed, source)
    elif source.kind == "sheet" or set(columns[needed]) & set(sheet.header(source, known)):
        table = sheet.rows(source, known)
        if not set(columns[needed]) & set(table.names):
            table.close()
            has = ", ".join(f"{name:.40}" for name in table.names[:8] if name)
            raise UserError(f"{source.path}: no column {columns[needed][0]!r} (its first row has {has}); write {forms}")
        others = [name for name in table.names if name and name not in known]
        yield from _named(table.rows, columns, needed, source, others)
    elif head.startswith(b"<"):
        raise UserError(f"{source.path}: XML, or topics as TREC has them, which are not read; write {forms}")
    else:
        yield from _lines(source, line, forms)


def _named(
    found: Iterator[Record], columns: Columns, needed: str, source: Source, others: Sequence[str] = ()
) -> Iterator[Record]:
    """The records with their values by field; `others` are columns that the records do not contain."""
    for place, record in found:
        named = {what: next((name for name in names if name in record), None) for what, names in columns.items()}
        if named[needed] is None:
            has = ", ".join(f"{name!s:.40}" for name in [*record][:8])
            raise UserError(f"{source.path}: {place}: column {columns[needed][0]!r} is missing; there are {has}")
        values = {what: record[name] for what, name in named.items() if name is not None}
        yield place, values | {UNREAD: [*(name for name in record if name not in named.values()), *others]}


def _objects(source: Source) -> Iterator[Record]:
    """JSON objects, one a line or in an array."""
    with source.open(source.members[0]) as stream:
        text = "".join(Lines(stream, source.report))
    decoder, at, number = json.JSONDecoder(), 0, 0
    while at < len(text):
        if text[at] in " \t\r\n,":
            at += 1
            continue
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            said = f"not JSON ({error!s:.80}); write one JSON object a line, or an array of them"
            raise UserError(f"{source.path}: record {number + 1}: {said}") from None
        for one in value if isinstance(value, list) else [value]:
            number += 1
            if not isinstance(one, dict):
                raise UserError(f"{source.path}: record {number}: {one!r:.40} is no JSON object; write one a line")
            yield f"record {number}", one


def _lines(source: Source, line: Callable[[str], dict[str, Any] | None], forms: str) -> Iterator[Record]:
    with source.open(source.members[0]) as stream:
        lines = Lines(stream, source.report)
        number = 0
        for number, text in enumerate(lines, start=1):
            if not text.strip():
                continue
            record = line(text.strip("\r\n"))
            if record is None:
                said = f"line {number}: {text.strip()!r:.60} is neither a header with known columns nor a line as below"
                raise UserError(f"{source.path}: {said}; write {forms}")
            yield f"line {number}", record
        if lines.torn and number:
            source.report.count(sheet.OPEN_END, source.path.name)
