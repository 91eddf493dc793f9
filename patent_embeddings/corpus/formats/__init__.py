"""Forms of a file of families: one reader a form, and the landscape that comes of what they read.

A reader takes the `Reading` of a file and yields its records, each with the place that messages name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.families import Raw, assemble
from patent_embeddings.corpus.formats import delimited, json_lines, lists, notes, parquet
from patent_embeddings.corpus.formats.fields import COLUMNS, Fault, Reading, family, identifier, required

Read = Callable[[Reading], Iterator[tuple[str, dict[str, Any]]]]
READERS: dict[str, Read] = dict.fromkeys((".jsonl", ".jsonl.gz", ".json"), json_lines.read)
READERS |= {".csv": delimited.read, ".tsv": delimited.read, ".parquet": parquet.read}


def suffix(path: Path) -> str:
    """The suffix that names the file's form, such as `.jsonl.gz`. Raises UserError at any other."""
    for known in READERS:
        if path.name.lower().endswith(known):
            return known
    raise UserError(f"{path}: unknown kind of file; rename or convert it to one of {', '.join(READERS)}")


def parse(path: Path) -> Raw:
    """Read and check a file whole; text is kept to the letter, absent text, however it is spelled, becomes "".

    Columns are those of `fields.COLUMNS`, others are ignored and noted. Raises UserError where the file cannot be read
    or breaks the format; names the file, the line or row, and the mend.
    """
    read = READERS[suffix(path)]
    file = Reading(path)
    try:
        rows = _rows(read, file)
        if not rows:
            raise UserError(f"{path}: no family in it; it needs one family a line")
        if file.flat:
            lists.split(file, [record for _, record in rows])
        families = []
        for place, record in rows:
            try:
                families.append(family(record, file))
            except Fault as fault:
                raise fault.at(path, place) from None
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror or error!s:.100}); check path and permissions") from None
    except MemoryError:
        raise UserError(f"{path}: does not fit in this machine's memory; divide it, or take another machine") from None
    if not any(one[name] for one in families for name in ("title", "abstract", "claims", "description")):
        raise UserError(f"{path}: no family has any text; fill in title, abstract, claims or description")
    raw = assemble(families, ((one["family_id"], cited) for one in families for cited in one["cites"]))
    raw.notes.update(notes.of(file, families, {name for _, record in rows for name in record}))
    return raw


def _rows(read: Read, file: Reading) -> list[tuple[str, dict[str, Any]]]:
    """Places and known columns of all records, each with an id of its own; the reading learns ids and other columns."""
    rows = []
    places: dict[str, str] = {}
    for place, record in read(file):
        try:
            required(record)
            name = identifier(record["family_id"])
            first = places.setdefault(name, place)
            if first != place:
                raise Fault(f"family_id {name!r:.80} is also on {first}; give every family one line")
        except Fault as fault:
            raise fault.at(file.path, place) from None
        if not file.header:  # each object has its own
            file.ignored.update(record.keys() - set(COLUMNS))
        rows.append((place, {column: record[column] for column in COLUMNS if column in record} | {"family_id": name}))
    file.ids.update(places)
    return rows
