"""Our own form as Parquet, with columns of texts and of lists of texts; converted exports are kept in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as pq

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import replacing
from patent_embeddings.corpus.families import Raw
from patent_embeddings.corpus.own.fields import COLUMNS, LISTS, Reading
from patent_embeddings.corpus.reading.damage import PARQUET
from patent_embeddings.corpus.reading.source import Source

_NOTES = b"notes"  # of the landscape, in the metadata of the file
_ROWS = 500  # of a group


def read(file: Reading) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows with their known columns, and the notes kept in the file."""
    path, number = file.path, 0
    left = limit = Source(path).limit
    try:
        with pq.ParquetFile(path) as parquet:
            file.kept = _notes((parquet.schema_arrow.metadata or {}).get(_NOTES, b"{}"))
            names = file.takes(parquet.schema_arrow.names)
            for batch in parquet.iter_batches(batch_size=1000, columns=[name for name in names if name in COLUMNS]):
                left -= batch.nbytes
                if left < 0:
                    said = f"expands to more than {limit >> 20:,} MiB, more than any text"
                    raise UserError(f"{path}: {said}; write it again")
                for record in batch.to_pylist():
                    number += 1
                    yield f"row {number}", record
    except PARQUET as error:
        if isinstance(error, OSError) and error.errno:  # pyarrow raises OSError without a number for damaged content
            raise
        said = " ".join(str(error).split())
        raise UserError(f"{path}: after row {number}: damaged or not parquet ({said:.100}); write it again") from None


def write(raw: Raw, path: Path) -> None:
    """Write a landscape with all its columns and notes; the same landscape gives the same bytes.

    Raises UserError where the disk is full.
    """
    cited: dict[str, list[tuple[str, str]]] = {}
    for citing, one, category in raw.citations.itertuples(index=False):
        cited.setdefault(citing, []).append((one, category))
    texts = pyarrow.string()
    notes = json.dumps(raw.notes, ensure_ascii=False, separators=(",", ":")).encode()
    schema = pyarrow.schema(
        {name: pyarrow.list_(texts) if name in LISTS else texts for name in COLUMNS}, metadata={_NOTES: notes}
    )
    order = raw.families["family_id"].argsort().to_numpy()
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd", version="2.6", write_page_checksum=True) as writer,
    ):
        for start in range(0, len(order), _ROWS):  # in groups, as Python strings take several times the memory
            families = raw.families.iloc[order[start : start + _ROWS]]
            columns = {name: list(families[name]) for name in families}
            pairs = [cited.get(name, []) for name in columns["family_id"]]
            columns["cites"] = [[one for one, _ in each] for each in pairs]
            categories = ([category for _, category in each] for each in pairs)
            columns["categories"] = [each if any(each) else [] for each in categories]
            writer.write_table(pyarrow.Table.from_pydict({name: columns[name] for name in COLUMNS}, schema=schema))


def _notes(text: bytes) -> dict[str, Any]:
    """Notes that `write` kept; empty where another program wrote metadata of that name."""
    with suppress(ValueError):
        if isinstance(found := json.loads(text), dict):
            return found
    return {}
