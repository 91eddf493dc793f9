"""What form a file of our own has, by its content."""

from __future__ import annotations

import re
from contextlib import suppress

import pyarrow
import pyarrow.parquet as pq

from patent_embeddings.corpus.own.fields import COLUMNS
from patent_embeddings.corpus.reading import sheet
from patent_embeddings.corpus.reading.source import Source

_KEY = re.compile(r'"([a-z_]+)"\s*:')
_ZIP = b"PK"


def looks(source: Source) -> bool:
    """Whether a file is in our own form; exports that have the same columns beside theirs look so too."""
    return bool(kind(source))


def kind(source: Source) -> str:
    """The suffix that names the form of a file of our own, whatever its name, such as `.jsonl.gz`; "" of any other.

    Raises UserError where it cannot be read.
    """
    if source.kind not in ("plain", "gzip", "sheet"):
        return ""
    packed = ".gz" if source.kind == "gzip" else ""
    start = source.head()
    if source.kind == "sheet":
        with source.path.open("rb") as handle:
            form, names = ".xlsx" if handle.read(2) == _ZIP else ".xls", sheet.header(source, COLUMNS)
    elif not packed and start.startswith(b"PAR1"):
        form, names = ".parquet", []
        with suppress(pyarrow.ArrowException, OSError, ValueError):
            names = pq.read_schema(source.path).names
    elif (text := start.decode("utf-8-sig", "ignore")).lstrip()[:1] in ("{", "["):
        form, names = f".jsonl{packed}", _KEY.findall(text)
    else:
        form, names = f".csv{packed}", sheet.header(source, COLUMNS)
    return form if "family_id" in names and not {"title", "abstract"}.isdisjoint(names) else ""
