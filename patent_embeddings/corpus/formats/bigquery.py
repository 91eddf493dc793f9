"""Rows of Google's patent tables on BigQuery, as nested or flat JSON, Parquet or CSV."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.parquet as pq

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.formats.bigquery_rows import COLUMNS, NESTED, publication, taken, unread
from patent_embeddings.corpus.formats.format import Format
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading import sheet
from patent_embeddings.corpus.reading.damage import parquet
from patent_embeddings.corpus.reading.objects import begins, in_utf8, names, objects
from patent_embeddings.corpus.reading.source import Source

_OF_OURS = {"cites", "labels", "domains", "publications"}  # with `family_id`, columns of our own form
_NUMBER = re.compile(rb"\b[A-Z]{2}-[A-Z0-9]+-[A-Z][0-9]?\b")
_PARQUET = b"PAR1"
_FEW = 5  # files of a folder that are looked at
_BATCH = 1000
UNREAD = "columns that Google's tables do not have, not read (`SELECT *` gives theirs)"


def looks(source: Source) -> bool:
    """Whether one of the first files has nested columns of the table, or numbers in its spelling."""
    return any(_looks(source, member) for member in source.members[:_FEW])


def _looks(source: Source, member: str) -> bool:
    head = source.head(member)
    found = _names(source, member, head)
    if any(name.endswith("_localized") and name in NESTED for name in found):
        return True
    if "publication_number" not in found or ("family_id" in found and found & _OF_OURS):
        return False
    if source.kind == "sheet" or head.startswith(_PARQUET):
        _, row = next(_rows(source, member), ("", {}))
        head = str(row.get("publication_number")).encode()
    return _NUMBER.search(in_utf8(head)) is not None


def _names(source: Source, member: str, head: bytes) -> set[str]:
    if head.startswith(_PARQUET):
        with _parquet(source, member) as file:
            return set(file.schema_arrow.names)
    return names(head) or set(sheet.header(source, COLUMNS, member))


def read(source: Source, select: Select) -> Iterator[Publication]:
    """Every row as a publication, read one at a time.

    Raises UserError, which names file, place and mend, where a file is damaged or has no rows of the table.
    """
    for member in source.members:
        path = str(source.path / member)
        for place, row in _rows(source, member):
            if (one := publication(row, place, path, source.report)) is not None:
                for name in unread(tuple(row)):
                    source.report.once(UNREAD, name)
                yield one


def _parquet(source: Source, member: str) -> AbstractContextManager[pq.ParquetFile]:
    """Open Parquet; a file in an archive is held in memory. Raises UserError where it is damaged."""
    path = source.path / member
    file: Path | BinaryIO = path
    if source.kind not in ("plain", "folder"):
        with source.open(member) as stream:
            file = io.BytesIO(stream.read())
    return parquet(file, path, "export or copy it again")


def _taken(source: Source, names: list[str]) -> list[str]:
    """The columns of a header that are read; counts those that are not Google's."""
    for name in unread(tuple(names)):
        source.report.once(UNREAD, name)
    return taken(names)


def _parquet_rows(source: Source, member: str) -> Iterator[tuple[str, dict[str, Any]]]:
    with _parquet(source, member) as file:
        batches = file.iter_batches(batch_size=_BATCH, columns=_taken(source, file.schema_arrow.names))
        rows = (row for batch in batches for row in batch.to_pylist())
        yield from ((f"row {number}", row) for number, row in enumerate(rows, start=1))


def _rows(source: Source, member: str) -> Iterator[tuple[str, dict[str, Any]]]:
    head, path = source.head(member), str(source.path / member)
    if head.startswith(_PARQUET):
        yield from _parquet_rows(source, member)
    elif source.kind != "sheet" and begins(head):  # a damaged file has an empty head, and says why when it is read
        with source.open(member) as stream:
            yield from objects(stream, path, source.report)
    elif "publication_number" in (found := sheet.header(source, COLUMNS, member)):
        yield from sheet.rows(source, _taken(source, found), member).rows
    elif len(source.members) > 1:
        source.report.count("files that are no rows of BigQuery, left out", path)
    else:
        said = "neither JSON objects, nor Parquet, nor a table with a column publication_number"
        raise UserError(f"{path}: {said}; export the rows from BigQuery as JSON lines")


FORMAT = Format(
    name="bigquery",
    title="Google BigQuery publications, JSON, Parquet or CSV",
    looks=looks,
    read=read,
    lacks="a flat list, or rows of some columns, have no citations, dates or families; export whole rows as JSON lines",
)
