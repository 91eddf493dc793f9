"""Vectors on disk: rows of float32, their digest, and a table of their ids in the same order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from patent_embeddings.core import layout, tables
from patent_embeddings.core.arrays import Floats, Integers
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256
from patent_embeddings.core.tables import MEND, Table

ROWS = Table({"family_id": "text"}, key=("family_id",), filled=("family_id",))
QUERY_ROWS = Table({"query_id": "text"}, key=("query_id",), filled=("query_id",))
TOKEN_ROWS = Table({"family_id": "text", "offset": "int"}, key=("family_id",), filled=("family_id",))
TOKEN_QUERY_ROWS = Table({"query_id": "text", "offset": "int"}, key=("query_id",), filled=("query_id",))


@dataclass(frozen=True)
class Vectors:
    """Vectors of one side of a landscape.

    Attributes:
        path: file of the rows.
        ids: of families or queries.
        rows: float32 [rows, dimension], memory-mapped.
        first: first row of each id, which has a row per token or passage, int64 [ids]; None: one row per id.
    """

    path: Path
    ids: list[str]
    rows: Floats
    first: Integers | None


def read(landscape: str, side: str, *, ragged: bool) -> Vectors:
    """Read the vectors of `documents`, `queries`, `classification` or `clustering`; `ragged`: an id has several rows.

    Raises UserError if a file is absent or damaged, or does not match the other; see `load`.
    """
    ids = tables.read(layout.vector_ids(landscape, side), _table(side == "queries", ragged))
    path = layout.vectors(landscape, side)
    rows = load(path, None if ragged else len(ids))
    return Vectors(path, ids.iloc[:, 0].tolist(), rows, ids["offset"].to_numpy() if ragged else None)


def several(similarity: str, window: int | None) -> bool:
    """Whether a document has several rows: one per token under `maxsim`, or one per passage if windows are cut."""
    return similarity == "maxsim" or window is not None


def describe(path: Path, ids: pd.DataFrame, first: Integers | None) -> None:
    """Write the digest of a file of vectors and the table of its ids.

    `ids` is one column, `family_id` or `query_id`, in the order of the vectors; `first` as in `Vectors`.
    """
    if first is not None:
        ids = ids.assign(offset=first.astype("int64"))
    path.with_suffix(".sha256").write_text(f"{sha256(path)}\n", encoding="ascii")
    tables.write(ids, path.with_suffix(".parquet"), _table("query_id" in ids.columns, first is not None))


def load(path: Path, rows: int | None) -> Floats:
    """Load the vectors of a file, float32 [rows, dimension], memory-mapped.

    Raises UserError if the file is absent or damaged, has another shape or type, or holds a number that is not finite.
    """
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` first") from None
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path}: damaged vectors ({str(error).splitlines()[0]:.100}); {MEND}") from None
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise UserError(f"{path}: {vectors.dtype} of shape {vectors.shape}, expected rows of float32; {MEND}")
    if rows is not None and len(vectors) != rows:
        raise UserError(f"{path}: {len(vectors)} vectors for {rows} ids; {MEND}")
    digest = path.with_suffix(".sha256")
    if digest.exists() and digest.read_text(encoding="ascii").strip() != sha256(path):
        raise UserError(f"{path}: damaged vectors (not those of {digest.name}); {MEND}")
    for start in range(0, len(vectors), 1 << 16):
        if not np.isfinite(vectors[start : start + (1 << 16)]).all():
            raise UserError(f"{path}: a vector holds a number that is not finite; {MEND}")
    return vectors


def blocks(starts: Integers, rows: int) -> Iterator[tuple[int, int]]:
    """Ranges of ids (first, past the last) that have at most `rows` rows together, or are one id.

    `starts` is the first row of each id, and the end of the last, int64 [ids + 1].
    """
    first, ids = 0, len(starts) - 1
    while first < ids:
        last = max(first + 1, int(starts.searchsorted(starts[first] + rows, side="right")) - 1)
        yield first, last
        first = last


def _table(queries: bool, ragged: bool) -> Table:
    if queries:
        return TOKEN_QUERY_ROWS if ragged else QUERY_ROWS
    return TOKEN_ROWS if ragged else ROWS
