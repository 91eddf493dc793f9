"""The user's own queries and judgements as stored tables, with the notes counted when they were read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from patent_embeddings.core import tables

_NOTES = "notes"  # key in the file's metadata


def write(frame: pd.DataFrame, table: tables.Table, path: Path, notes: dict[str, Any]) -> None:
    """Write a table with notes in its metadata; equal input gives equal bytes. Raises UserError as `tables.write`."""
    tables.write(frame, path, table, {_NOTES: json.dumps(notes, sort_keys=True)})


def read(table: tables.Table, path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read a table and its notes. Raises UserError as `tables.read`."""
    frame = tables.read(path, table)
    return frame, json.loads((pq.read_schema(path).metadata or {}).get(_NOTES.encode(), b"{}"))
