"""Errors of files that are damaged or not read, turned into a UserError of one line."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow
import pyarrow.parquet as pq

from patent_embeddings.core.errors import UserError

DAMAGED = (gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, tarfile.TarError, NotImplementedError, EOFError)
PARQUET = (pyarrow.ArrowException, ValueError, OverflowError, OSError)  # what pyarrow raises for damaged content

# What files that are packed in a way that is not read begin with.
_UNREAD = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"7z\xbc\xaf": "7z", b"\x28\xb5\x2f\xfd": "zstd", b"Rar!": "RAR"}


def refuse_unread(start: bytes, path: Path) -> None:
    """Raise UserError where a file begins as one that is packed in a way that is not read."""
    if form := next((form for mark, form in _UNREAD.items() if start.startswith(mark)), ""):
        raise UserError(f"{path}: packed by {form}, which is not read; unpack it, or pack it by gzip or zip")


@contextmanager
def as_user_error(path: Path, *but: type[Exception]) -> Iterator[None]:
    """Turn errors of a damaged or unreadable file into UserError, except those of the types `but`."""
    try:
        yield
    except but:
        raise
    except DAMAGED as error:
        said = " ".join(str(error).split())
        raise UserError(f"{path}: damaged ({said:.80}); copy or compress it again") from None
    except OSError as error:
        said = error.strerror or f"{error!s:.100}"
        raise UserError(f"{path}: cannot read ({said}); check path and permissions") from None


@contextmanager
def parquet(file: Path | BinaryIO, path: Path, mend: str) -> Iterator[pq.ParquetFile]:
    """Open Parquet. Raises UserError, also while it is read, where it is damaged."""
    try:
        with pq.ParquetFile(file) as opened:
            opened.schema_arrow.names  # noqa: B018  raises for damaged names
            yield opened
    except PARQUET as error:
        said = " ".join(str(error).split())
        raise UserError(f"{path}: damaged or no Parquet ({said:.80}); {mend}") from None
