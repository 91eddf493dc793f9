"""Errors of damaged files, turned into a UserError of one line."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow

from patent_embeddings.core.errors import UserError

DAMAGED = (gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, tarfile.TarError, NotImplementedError, EOFError)
PARQUET = (pyarrow.ArrowException, ValueError, OverflowError, OSError)  # what pyarrow raises for damaged content


def suppressed() -> suppress:
    """Ignore damage, for code that only looks at the beginning of a file."""
    return suppress(*DAMAGED)


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
