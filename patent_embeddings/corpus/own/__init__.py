"""Our own form of a landscape: one family a line, as JSON lines, a table or Parquet.

Each kind of file has a reader, which yields records with their places, and notes in the `Reading` what it learns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.families import Raw, assemble
from patent_embeddings.corpus.own import cites, delimited, json_lines, lists, notes, parquet
from patent_embeddings.corpus.own.fields import COLUMNS, Fault, Reading, family, identifier, required
from patent_embeddings.corpus.own.kinds import kind as kind
from patent_embeddings.corpus.own.kinds import looks as looks
from patent_embeddings.corpus.own.kinds import packed as packed
from patent_embeddings.corpus.reading.source import Source

Read = Callable[[Reading], Iterator[tuple[str, dict[str, Any]]]]
READERS: dict[str, Read] = dict.fromkeys((".jsonl", ".jsonl.gz", ".json"), json_lines.read)
READERS |= dict.fromkeys((".csv", ".tsv", ".csv.gz", ".tsv.gz", ".xlsx", ".xls"), delimited.read)
READERS |= {".parquet": parquet.read}


def suffix(path: Path) -> str:
    """The suffix for the kind of a file, such as `.jsonl.gz`; its content overrules its name.

    Raises UserError where neither tells the kind.
    """
    named = next((known for known in READERS if path.name.lower().endswith(known)), "")
    found = ""
    with suppress(*[UserError] if named else []):
        found = kind(Source(path))
    if named and (not found or READERS[found] is READERS[named]):
        return named
    if found:
        return found
    raise UserError(f"{path}: unknown kind of file; rename or convert it to one of {', '.join(READERS)}")


def parse(path: Path) -> Raw:
    """Read and check a file. Texts are kept to the letter, but what spells absence (`NA`, `nan`) becomes "".

    Columns outside `fields.COLUMNS` are ignored and noted. Raises UserError, which names the file, the line or row, and
    the mend, where the file cannot be read or breaks the format.
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
    resolved = cites.resolve(families)
    raw = assemble(families, cites.pairs(families), cites.categories(families))
    raw.notes.update(notes.of(file, families, {name for _, record in rows for name in record}))
    if resolved:
        raw.notes["cited numbers in another spelling than their family's, resolved"] = resolved
    # Notes of the export from which a file was converted come first, and win.
    return replace(raw, notes={**file.kept, **{key: value for key, value in raw.notes.items() if key not in file.kept}})


write = parquet.write


def _rows(read: Read, file: Reading) -> list[tuple[str, dict[str, Any]]]:
    """Places and known columns of all records, with distinct ids. Notes ids and ignored columns in the reading."""
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
        if not file.header:  # JSON: each object has its own keys
            file.ignored.update(record.keys() - set(COLUMNS))
        rows.append((place, {column: record[column] for column in COLUMNS if column in record} | {"family_id": name}))
    file.ids.update(places)
    return rows
