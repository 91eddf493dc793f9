"""Parquet: columns of text and of lists of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow
import pyarrow.parquet as pq

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.formats.fields import COLUMNS, Reading


def read(file: Reading) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows, the known columns of each."""
    path, number = file.path, 0
    try:
        with pq.ParquetFile(path) as parquet:
            names = file.takes(parquet.schema_arrow.names)
            for batch in parquet.iter_batches(batch_size=1000, columns=[name for name in names if name in COLUMNS]):
                file.expands(batch.nbytes)
                for record in batch.to_pylist():
                    number += 1
                    yield f"row {number}", record
    except (pyarrow.ArrowException, ValueError, OverflowError, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # without a number it is what pyarrow says of damaged content
            raise
        said = " ".join(str(error).split())
        raise UserError(f"{path}: after row {number}: damaged or not parquet ({said:.100}); write it again") from None
