"""Recognise a file in our own form, and its kind, by its content."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Collection
from contextlib import suppress

import pyarrow.parquet as pq

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.own.fields import COLUMNS
from patent_embeddings.corpus.reading import sheet
from patent_embeddings.corpus.reading.damage import PARQUET
from patent_embeddings.corpus.reading.source import Source

_KEY = re.compile(r'"([a-z_]+)"\s*:')
_ZIP, _PARQUET = b"PK", b"PAR1"
_FEW = 5  # files of an archive that are looked at


def looks(source: Source) -> bool:
    """Whether a file is in our own form; exports with the same columns beside their own look so too."""
    return bool(kind(source))


def packed(source: Source) -> str:
    """The first file in an archive or folder that is, or packs, a file in our own form; "" where none is."""
    if source.kind not in ("zip", "tar", "folder"):
        return ""
    return next((name for name in source.members[:_FEW] if _ours(_inner(source, name))), "")


def _inner(source: Source, member: str) -> list[str]:
    """Columns of a member of an archive or folder; Parquet is read whole, as its columns are at the end."""
    if not source.head(member).startswith(_PARQUET):
        return _names(source, member)
    with suppress(UserError, *PARQUET), source.open(member, progress=False) as stream:
        return pq.read_schema(io.BytesIO(stream.read())).names
    return []


def kind(source: Source) -> str:
    """The suffix for the kind of a file in our own form, such as `.jsonl.gz`; "" for any other file.

    Raises UserError where it cannot be read.
    """
    if source.kind not in ("plain", "gzip", "sheet"):
        return ""
    gz = ".gz" if source.kind == "gzip" else ""
    start = source.head()
    if source.kind == "sheet":
        with source.path.open("rb") as handle:
            form, names = ".xlsx" if handle.read(2) == _ZIP else ".xls", sheet.header(source, COLUMNS)
    elif not gz and start.startswith(_PARQUET):
        form, names = ".parquet", []
        with suppress(*PARQUET):
            names = pq.read_schema(source.path).names
    else:
        form, names = f"{'.jsonl' if _is_json(start) else '.csv'}{gz}", _names(source, None)
    return form if _ours(names) else ""


def _ours(names: Collection[str]) -> bool:
    return "family_id" in names and not {"title", "abstract"}.isdisjoint(names)


def _is_json(start: bytes) -> bool:
    return start.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"[")


def _names(source: Source, member: str | None) -> list[str]:
    """Columns of a table, or keys in the first JSON objects."""
    start = source.head(member)
    return _KEY.findall(start.decode("utf-8", "ignore")) if _is_json(start) else sheet.header(source, COLUMNS, member)
