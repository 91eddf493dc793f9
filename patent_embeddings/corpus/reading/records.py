"""Records of a few columns from a table, from JSON, or from lines without a header."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.reading import sheet
from patent_embeddings.corpus.reading.objects import in_utf8, objects
from patent_embeddings.corpus.reading.source import CUT, Source
from patent_embeddings.corpus.reading.text import Lines

Columns = Mapping[str, tuple[str, ...]]  # field -> names that its column may have; the first present is read
Record = tuple[str, dict[str, Any]]  # its place, and its values by field
UNREAD = ""  # key of the names of the columns that were not read


def read(
    source: Source, columns: Columns, needed: str, line: Callable[[str], dict[str, Any] | None], forms: str
) -> Iterator[Record]:
    """Records of a table or of JSON, if it has a column for the field `needed`; else of the lines of a file.

    `line` parses a line without a header, and returns None where it is no record. `forms` describes what is accepted,
    for messages. Raises UserError where the file is damaged, an archive of several, or a line is not a record; at the
    end where the file was cut off, as scores of a part of the judgements look like scores of all.
    """
    yield from _read(source, columns, needed, line, forms)
    if CUT in source.report.counts or sheet.CUT_ROW in source.report.counts:
        row = source.report.examples.get(sheet.CUT_ROW, "").partition(" of ")[0]
        said = f"{row} is cut off, or lacks fields" if row else "the end of the file is missing"
        raise UserError(f"{source.path}: {said}; save or copy it again")


def _read(
    source: Source, columns: Columns, needed: str, line: Callable[[str], dict[str, Any] | None], forms: str
) -> Iterator[Record]:
    if len(source.members) != 1:
        raise UserError(f"{source.path}: holds {len(source.members)} files, expected one; name the file itself")
    known = [name for names in columns.values() for name in names]
    head = in_utf8(source.head()).lstrip()
    if head.startswith((b"{", b"[")):
        with source.open(source.members[0]) as stream:
            found = objects(stream, str(source.path), source.report)
            yield from _named(found, columns, needed, source)
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
