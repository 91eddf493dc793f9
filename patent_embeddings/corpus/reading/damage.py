"""What is wrong with a file that cannot be read, as one line."""

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
PARQUET = (pyarrow.ArrowException, ValueError, OverflowError, OSError)  # what pyarrow says of damaged content


def suppressed() -> suppress:
    """Damage does not matter while a file is only looked at."""
    return suppress(*DAMAGED)


@contextmanager
def told(path: Path, *less: type[Exception]) -> Iterator[None]:
    """Raise UserError for what is damaged or cannot be read, but for the errors of `less`."""
    try:
        yield
    except less:
        raise
    except DAMAGED as error:
        said = " ".join(str(error).split())
        raise UserError(f"{path}: damaged ({said:.80}); copy or compress it again") from None
    except OSError as error:
        said = error.strerror or f"{error!s:.100}"
        raise UserError(f"{path}: cannot read ({said}); check path and permissions") from None
