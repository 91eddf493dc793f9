"""Queries and judgements of the user's own as they are kept, with what was counted when they were read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from patent_embeddings.core import tables
from patent_embeddings.core.files import replacing

_NOTES = b"notes"  # among the metadata of the file


def keep(frame: pd.DataFrame, table: tables.Table, path: Path, notes: dict[str, Any]) -> None:
    """Write rows of a table with notes; the same bytes for the same. Raises UserError as `tables.write` does."""
    tables.write(frame, path, table)
    rows = pq.read_table(path).replace_schema_metadata({_NOTES: json.dumps(notes, sort_keys=True)})
    with replacing(path) as temporary:
        pq.write_table(rows, temporary, compression="zstd", version="2.6", write_page_checksum=True)


def kept(table: tables.Table, path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows of a table and their notes. Raises UserError as `tables.read` does."""
    frame = tables.read(path, table)
    return frame, json.loads((pq.read_schema(path).metadata or {}).get(_NOTES, b"{}"))
