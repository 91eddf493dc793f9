"""Read some columns and rows of a cell's tables, in the workspace or from an experiment's outputs.

A run has the results of every query, and a view the text of every family: a page needs few of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet as pq

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.tables import MEND, Table
from patent_embeddings.core.threads import threads
from patent_embeddings.retrieval.schemas import RUN

_BATCH = 4096  # rows of a text column that are in memory at once


@dataclass(frozen=True)
class Source:
    """The tables of a cell."""

    name: str
    content: Callable[[Path], bytes] | None = None  # reads an experiment's output; None: files of the workspace

    def read(
        self, path: Path, table: Table, columns: list[str], only: tuple[str, Collection[str]] | None = None
    ) -> pd.DataFrame:
        """Some columns of a table; `only` a column and the values of it whose rows are read.

        Raises UserError where the file is absent or damaged, or of a version of the code that had other columns.
        """
        rows = pc.field(only[0]).isin(pyarrow.array(sorted(only[1]), pyarrow.string())) if only else None
        with _reading(path):
            source = self._source(path)
            self._file(path, source, table, columns)
            found = pq.read_table(source, columns=columns, filters=rows, page_checksum_verification=True)
        return found.to_pandas()[columns]

    def run(self, landscape: str, system: str, queries: Collection[str]) -> pd.DataFrame:
        """The run of a system for some queries: `query_id`, `family_id`, `rank`, the ids categorical.

        Raises UserError as `read`.
        """
        path, columns = layout.run(landscape, system), ["query_id", "family_id", "rank"]
        wanted = pyarrow.array(sorted(queries), pyarrow.string())
        with _reading(path), threads() as pool:
            source = self._source(path)

            def opened() -> pq.ParquetFile:
                return self._file(path, source, RUN, columns, read_dictionary=columns[:2])

            def of(group: int) -> pyarrow.Table:  # each by a reader of its own, as none is for several threads
                return _of(opened().read_row_group(group, columns=columns, use_threads=False), wanted)

            file = opened()
            parts = [file.schema_arrow.empty_table().select(columns), *pool.map(of, range(file.num_row_groups))]
        return pyarrow.concat_tables(parts).unify_dictionaries().to_pandas()[columns]

    def texts(self, path: Path, table: Table, key: str) -> Iterator[tuple[list[str], list[str]]]:
        """Ids and texts of a table in batches, so that those of a large landscape are never all in memory.

        Raises UserError as `read`.
        """
        columns = [key, "text"]
        with _reading(path):
            file = self._file(path, self._source(path), table, columns)
            for batch in file.iter_batches(_BATCH, columns=columns):
                yield batch[key].to_pylist(), batch["text"].to_pylist()

    def _source(self, path: Path) -> Path | pyarrow.BufferReader:
        return path if self.content is None else pyarrow.BufferReader(self.content(path))

    def _file(
        self, path: Path, source: Path | pyarrow.BufferReader, table: Table, columns: list[str], **options: Any
    ) -> pq.ParquetFile:
        """Open the file and require these columns."""
        file = pq.ParquetFile(source, page_checksum_verification=True, **options)
        for name in columns:
            if name not in file.schema_arrow.names:
                mend = table.mend if self.content is None else "it is of another version of the code; run it again"
                raise UserError(f"{path} of {self.name}: column {name!r} is missing; {mend}")
        return file


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn a failure while a file is read into a UserError of one line."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` first") from None
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path}: damaged parquet ({str(error).splitlines()[0]:.100}); {MEND}") from None


def _of(rows: pyarrow.Table, queries: pyarrow.Array) -> pyarrow.Table:
    """Rows of some queries, with the names of their families and of no others."""
    asked = rows["query_id"].combine_chunks()
    rows = rows.filter(pc.is_in(asked.dictionary, queries).take(asked.indices))
    for place, name in enumerate(("query_id", "family_id")):
        rows = rows.set_column(place, name, rows[name].cast(pyarrow.string()).dictionary_encode())
    return rows


WORKSPACE = Source("the workspace")
