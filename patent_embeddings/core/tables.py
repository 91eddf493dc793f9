"""The schema of a table, and the only reader and writer of tables.

A table is one zstd parquet file, its rows sorted by key, without pandas metadata, so that equal rows give equal bytes.
Lists are parquet lists of strings. Absent text is "", never null.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet as pq

from patent_embeddings.core import run_rules
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import replacing

if TYPE_CHECKING:
    import pandera.pandas as pa

SPLITS = ("train", "dev", "test")
# DVC's cache may hold the damaged file too: `share check` removes it there.
MEND = "run `python -m stages.share check`, then `dvc repro`"
_GROUP = 1 << 20  # rows of a row group, at most
_NAMES = 1 << 24  # bytes of a column's dictionary: beyond arrow's default of 1 MiB every text would be written out
_NAMED = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
Put = Callable[[pd.DataFrame], None]


@dataclass(frozen=True)
class Table:
    """Schema of a table: its columns (name -> `text`, `list`, `int`, `bool`, `float32`, `float64`) and rules."""

    columns: dict[str, str]
    key: tuple[str, ...]
    among: dict[str, tuple[str, ...]] = field(default_factory=dict)
    finite: tuple[str, ...] = ()
    around: dict[str, tuple[str, str]] = field(default_factory=dict)  # column -> its bounds, or NaN
    filled: tuple[str, ...] = ()  # text columns that must not be empty (ids)
    ranked: bool = False  # a run: ranks 1..n per query without gaps, scores never increasing, each family once
    mend: str = MEND  # advice of the message about a file that breaks these rules

    @cached_property
    def arrow(self) -> pyarrow.Schema:
        """Arrow schema of the file."""
        kinds = {"text": pyarrow.string(), "list": pyarrow.list_(pyarrow.string()), "int": pyarrow.int64(),
                 "bool": pyarrow.bool_(), "float32": pyarrow.float32(), "float64": pyarrow.float64()}  # fmt: skip
        return pyarrow.schema([(name, kinds[kind]) for name, kind in self.columns.items()])

    @cached_property
    def schema(self) -> pa.DataFrameSchema:
        """Pandera schema of the frame: types, nulls, values, a unique key, ranks."""
        pa = _pandera()
        columns = {}
        for name, kind in self.columns.items():
            checks: list[Any] = []
            if name in self.among:
                checks.append(pa.Check.isin(self.among[name], error=f"not one of {', '.join(self.among[name])}"))
            if name in self.finite:
                checks.append(pa.Check(lambda s: np.isfinite(s), error="not a finite number"))
            if name in self.filled:
                checks.append(pa.Check(lambda s: s != "", error="empty"))
            dtype = None if kind in ("text", "list") else {"int": "int64"}.get(kind, kind)
            bounds = {bound for pair in self.around.values() for bound in pair}
            columns[name] = pa.Column(dtype, checks=checks, nullable=name in bounds)
        rules = [
            pa.Check(
                lambda rows, name=name, low=low, high=high: (rows[low].isna() & rows[high].isna())
                | ((rows[low] <= rows[name]) & (rows[name] <= rows[high]) & np.isfinite(rows[high] - rows[low])),
                error=f"{name} lies outside of {low} to {high}", name=name,
            )
            for name, (low, high) in self.around.items()
        ]  # fmt: skip
        if self.ranked:
            rules.append(pa.Check(run_rules.ranks_whole, error="ranks are not 1, 2, 3, ... within each query"))
            rules.append(pa.Check(run_rules.scores_fall, error="scores increase with rank"))
            rules.append(pa.Check(run_rules.families_once, error="a family twice in the ranking of a query"))
        # In a run, ranks without gaps make the key unique.
        unique = None if self.ranked else list(self.key) or None
        return pa.DataFrameSchema(columns, checks=rules, unique=unique, strict=True, ordered=True)


def _pandera() -> Any:
    """Import pandera without hypothesis, which it loads where installed: saves half a second."""
    absent = "hypothesis" not in sys.modules and "pandera" not in sys.modules
    if absent:
        sys.modules["hypothesis"] = None  # type: ignore[assignment]
    try:
        import pandera.backends.pandas.builtin_checks  # loads hypothesis, otherwise at the first check
        import pandera.pandas
    finally:
        if absent:
            del sys.modules["hypothesis"]
    return pandera.pandas


def typed(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """The table's columns of a frame, in order and cast to their types, even where the frame has no rows."""
    kinds = {"text": "str", "list": "object", "int": "int64"}
    types = {name: kinds.get(kind, kind) for name, kind in table.columns.items()}
    return frame.reindex(columns=list(types)).astype(types)


def empty(table: Table) -> pd.DataFrame:
    """A table without rows."""
    return typed(pd.DataFrame(columns=list(table.columns)), table)


def write(frame: pd.DataFrame, path: Path, table: Table, metadata: dict[str, str] | None = None) -> None:
    """Check a frame, sort it by key and write it atomically, with `metadata` in the file's footer.

    Raises UserError if the frame breaks a rule or the disk is full.
    """
    ordered = frame[list(table.columns)]
    for name in table.key:  # pandas sorts categories by their place, which is to be that of their text
        if hasattr(ordered[name], "cat") and not (categories := ordered[name].cat.categories).is_monotonic_increasing:
            ordered = ordered.assign(**{name: ordered[name].cat.reorder_categories(categories.sort_values())})
    # A run that is already sorted is not copied.
    if not (table.ranked and hasattr(ordered["query_id"], "cat") and run_rules.ordered(ordered)):
        ordered = ordered.sort_values(list(table.key), kind="stable", ignore_index=True)
    with writing(path, table, metadata) as add:
        add(ordered)


def write_parts(frames: Iterable[pd.DataFrame], path: Path, table: Table) -> None:
    """Check and write frames that follow one another by key, each as a row group, while the next one is computed."""
    with writing(path, table) as add:
        for frame in frames:
            add(frame)


@contextmanager
def writing(path: Path, table: Table, metadata: dict[str, str] | None = None) -> Iterator[Put]:
    """Yield a function that takes frames in order of their key; a thread checks and writes each of them.

    A frame must not be changed after it is given. A faulty frame raises UserError, as `write` does, when the next frame
    is given or at the end.
    """
    # Scores of a run hardly repeat: looking for a dictionary of them takes twice the time of everything else.
    named = [name for name in table.columns if name != "score"] if table.ranked else True
    encoding = {"score": "BYTE_STREAM_SPLIT"} if table.ranked else None
    with replacing(path) as temporary, ExitStack() as stack, ThreadPoolExecutor(1) as thread:
        file: pq.ParquetWriter | None = None
        written: Future[None] | None = None

        def put(frame: pd.DataFrame) -> None:
            nonlocal file
            _check(frame, path, table)
            kinds = [one.with_type(_NAMED) if hasattr(frame[one.name], "cat") else one for one in table.arrow]
            schema = file.schema if file else pyarrow.schema(kinds)
            file = file or stack.enter_context(
                pq.ParquetWriter(temporary, schema, compression="zstd", store_schema=False, version="2.6",
                                 write_page_checksum=True, dictionary_pagesize_limit=_NAMES, use_dictionary=named,
                                 column_encoding=encoding)
            )  # fmt: skip
            rows = pyarrow.table([_column(frame[one.name], one.type) for one in schema], schema=schema)
            file.write_table(rows, row_group_size=_GROUP)

        def add(frame: pd.DataFrame) -> None:
            nonlocal written
            if written:
                written.result()
            written = thread.submit(put, frame)

        yield add
        if written:
            written.result()
        else:
            put(empty(table))
        if file and metadata:
            file.add_key_value_metadata(metadata)


def _column(values: pd.Series, kind: pyarrow.DataType) -> pyarrow.Array:
    """A column as arrow; a categorical keeps the categories that occur: writing the texts out takes 20 times longer."""
    if kind != _NAMED:
        return pyarrow.Array.from_pandas(values, type=kind)
    codes, names = values.cat.codes.to_numpy(), values.cat.categories
    used = np.zeros(len(names), dtype=bool)  # pandas' remove_unused_categories takes 20 times longer
    used[codes] = True
    place = np.cumsum(used, dtype=np.int32) - np.int32(1)
    return pyarrow.DictionaryArray.from_arrays(place[codes], names[used].astype("object"))


def read(
    path: Path, table: Table, columns: list[str] | None = None, only: tuple[str, str] | None = None
) -> pd.DataFrame:
    """Read and check a table, or some `columns` of it, or the rows where a column has a value: `only=(column, value)`.

    Lists are numpy object arrays of str; the ids of a run are categorical. Raises UserError if the file is absent or
    damaged, or breaks a rule.
    """
    if columns is not None:
        table = replace(
            table,
            columns={name: table.columns[name] for name in columns},
            key=table.key if set(table.key) <= set(columns) else (),
            around={name: pair for name, pair in table.around.items() if {name, *pair} <= set(columns)},
            ranked=False,
        )
    with _reading(path, table):
        ids = _categories(path, table)
        rows = [(only[0], "==", only[1])] if only else None
        frame = pq.read_table(
            path, columns=list(table.columns), filters=rows, memory_map=True, read_dictionary=ids,
            page_checksum_verification=True,
        ).to_pandas()  # fmt: skip
    frame = frame[list(table.columns)]
    _check(frame, path, table)
    return frame


def parts(path: Path, table: Table) -> Iterator[pd.DataFrame]:
    """Read a run as `read` does, a row group at a time, with whole rankings in each frame."""
    with _reading(path, table):
        ids = _categories(path, table)
        file = pq.ParquetFile(path, memory_map=True, read_dictionary=ids, page_checksum_verification=True)
        left, last = table.arrow.empty_table(), ""
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, columns=list(table.columns))
            rows = (pyarrow.concat_tables([left, rows]) if len(left) else rows).unify_dictionaries()
            whole = len(rows)
            if group < file.num_row_groups - 1:  # the next group may continue the last ranking
                query = rows[table.key[0]].combine_chunks().indices.to_numpy()
                whole = int(np.flatnonzero(query != query[-1:]).max(initial=-1)) + 1
            left, frame = rows.slice(whole), rows.slice(0, whole).to_pandas()[list(table.columns)]
            _check(frame, path, table)
            if len(frame):
                first, end = (frame[table.key[0]].iloc[at] for at in (0, -1))
                if not last < first <= end:
                    raise UserError(f"{path}: its rows are not sorted; {table.mend}")
                last = end
                yield frame


def _categories(path: Path, table: Table) -> list[str] | None:
    """Columns to read as categories. Raises UserError if the file's columns or types are not those of the table."""
    file = pq.ParquetFile(path, memory_map=True)
    # Pages have checksums, the footer has none: its two counts of rows must agree.
    counts = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    if sum(counts) != file.metadata.num_rows:
        raise UserError(f"{path}: damaged parquet (rows do not add up); {table.mend}")
    if missing := [name for name in table.columns if name not in file.schema_arrow.names]:
        raise UserError(f"{path}: column {missing[0]!r} is missing; {table.mend}")
    for name in table.columns:
        found, wanted = file.schema_arrow.field(name).type, table.arrow.field(name).type
        if found != wanted and not (pyarrow.types.is_list(found) and pyarrow.types.is_list(wanted)
                                    and found.value_type == wanted.value_type):  # fmt: skip
            raise UserError(f"{path}: column {name!r} is {found}, expected {wanted}; {table.mend}")
    # A run repeats each id a thousand times: categories take a tenth of the memory.
    return [name for name, kind in table.columns.items() if kind == "text"] if table.ranked else None


@contextmanager
def _reading(path: Path, table: Table) -> Iterator[None]:
    """Turn any failure to read a parquet file into a UserError."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` first") from None
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: damaged parquet ({str(error).splitlines()[0]:.100}); {table.mend}") from None


def _check(frame: pd.DataFrame, path: Path, table: Table) -> None:
    for name, kind in table.columns.items():
        if kind in ("text", "list") and len(frame) and not hasattr(frame[name], "cat"):
            wanted, column = str if kind == "text" else (list, tuple, np.ndarray), frame[name]
            texts = kind == "text" and column.dtype == "str"  # holds only text or null
            right = column.notna() if texts else column.map(lambda value, wanted=wanted: isinstance(value, wanted))
            if not right.all():
                row, value = int(right.to_numpy().argmin()), column[~right].iloc[0]
                what = "text" if kind == "text" else "a list"
                raise UserError(f"{path}: column {name!r}, row {row}: {value!r:.60} is not {what}; {table.mend}")
    try:
        table.schema.validate(frame)
    except _pandera().errors.SchemaError as error:
        raise UserError(f"{path}: {_fault(error)}; {table.mend}") from None


def _fault(error: Any) -> str:
    """The first fault of a pandera error, as a phrase."""
    name, check = getattr(error.schema, "name", None), getattr(error.check, "error", None)
    cases, example = error.failure_cases, ""
    if "failure_case" in getattr(cases, "columns", ()) and len(cases):
        example = f" ({cases['failure_case'].iloc[0]!r:.60})"
    if check is not None:
        return (f"column {name!r}: " if name else "") + str(check) + example
    if "not unique" in (text := str(error)) or "duplicate" in text.lower():
        return f"duplicate key{example}"
    return text.splitlines()[0][:200].rstrip(":")
