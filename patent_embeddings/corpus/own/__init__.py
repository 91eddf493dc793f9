"""Our own form of a landscape: one family a line, as JSON lines, a table or Parquet.

Each kind of file has a reader, which yields records with their places, and notes in the `Reading` what it learns.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.cell_values import absent
from patent_embeddings.corpus.families import Raw, assemble
from patent_embeddings.corpus.own import delimited, json_lines, lists, parquet
from patent_embeddings.corpus.own.fields import (
    COLUMNS,
    Fault,
    Reading,
    family,
    hints,
    identifier,
    placed,
    required,
    shown,
)
from patent_embeddings.corpus.publication_numbers import is_number, marked, owners
from patent_embeddings.corpus.reading import sheet
from patent_embeddings.corpus.reading.damage import PARQUET
from patent_embeddings.corpus.reading.source import Source

Read = Callable[[Reading], Iterator[tuple[str, dict[str, Any]]]]
READERS: dict[str, Read] = dict.fromkeys((".jsonl", ".jsonl.gz", ".json"), json_lines.read)
READERS |= dict.fromkeys((".csv", ".tsv", ".csv.gz", ".tsv.gz", ".xlsx", ".xls"), delimited.read)
READERS |= {".parquet": parquet.read}
_KEY = re.compile(r'"([a-z_]+)"\s*:')
_ZIP, _PARQUET = b"PK", b"PAR1"
_FEW = 5  # files of an archive that are looked at
_SHOWN = 20  # ignored columns that are named


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


def kind(source: Source) -> str:
    """The suffix for the kind of a file in our own form, such as `.jsonl.gz`; "" for any other file.

    Raises UserError where it cannot be read.
    """
    if source.kind not in ("plain", "gzip", "sheet") or not _ours(_columns(source)):
        return ""
    if source.kind == "sheet":
        with source.path.open("rb") as handle:
            return ".xlsx" if handle.read(2) == _ZIP else ".xls"
    start = source.head()
    if start.startswith(_PARQUET):
        return ".parquet"
    return f"{'.jsonl' if _is_json(start) else '.csv'}{'.gz' if source.kind == 'gzip' else ''}"


def packed(source: Source) -> str:
    """The first file in an archive or folder that is, or packs, a file in our own form; "" where none is."""
    if source.kind not in ("zip", "tar", "folder"):
        return ""
    return next((name for name in source.members[:_FEW] if _ours(_columns(source, name))), "")


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
            with placed(path, place):
                families.append(family(record, file))
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror or error!s:.100}); check path and permissions") from None
    except MemoryError:
        raise UserError(f"{path}: does not fit in this machine's memory; divide it, or take another machine") from None
    if not any(one[name] for one in families for name in ("title", "abstract", "claims", "description")):
        raise UserError(f"{path}: no family has any text; fill in title, abstract, claims or description")
    resolved = _resolved(families)
    pairs = ((one["family_id"], cited) for one in families for cited in one["cites"])
    raw = assemble(families, pairs, _categories(families))
    raw.notes.update(_notes(file, families, {name for _, record in rows for name in record}))
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
        with placed(file.path, place):
            required(record)
            name = identifier(record["family_id"])
            first = places.setdefault(name, place)
            if first != place:
                raise Fault(f"family_id {name!r:.80} is also on {first}; give every family one line")
        if not file.header:  # JSON: each object has its own keys
            file.ignored.update(record.keys() - set(COLUMNS))
        rows.append((place, {column: record[column] for column in COLUMNS if column in record} | {"family_id": name}))
    file.ids.update(places)
    return rows


def _resolved(families: list[dict[str, Any]]) -> str:
    """Replace cited publication numbers, in any spelling, by the id of the family that has them.

    A number is replaced if exactly one family has it. Returns how many were replaced, with an example; "" where none.
    """
    known = {one["family_id"] for one in families}
    of = owners((one["family_id"], (one["publication"], *one["publications"])) for one in families)
    count, example = 0, ""
    for one in families:
        for place, cited in enumerate(one["cites"]):
            if cited not in known and is_number(cited) and (owner := of.get(marked(cited))):
                one["cites"][place] = owner
                count, example = count + 1, example or f"{cited!r:.60} as {owner!r:.60}"
    return f"{count:,}, such as {example}" if count else ""


def _categories(families: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """Citing and cited id -> distinct categories, sorted and joined by a blank; without pairs that have none."""
    found: dict[tuple[str, str], set[str]] = {}
    for one in families:
        for cited, category in zip(one["cites"], one["categories"], strict=bool(one["categories"])):
            found.setdefault((one["family_id"], cited), set()).update(category.split())
    return {pair: " ".join(sorted(words)) for pair, words in found.items() if words}


def _ours(names: Collection[str]) -> bool:
    return "family_id" in names and not {"title", "abstract"}.isdisjoint(names)


def _columns(source: Source, member: str | None = None) -> list[str]:
    """Columns of a table or of Parquet, or keys in the first JSON objects; of one member of an archive or folder."""
    start = source.head(member)
    if start.startswith(_PARQUET):
        with suppress(UserError, *PARQUET):
            if member is None:
                return pq.read_schema(source.path).names
            with source.open(member, progress=False) as stream:  # whole, as its columns are at the end
                return pq.read_schema(io.BytesIO(stream.read())).names
        return []
    return _KEY.findall(start.decode("utf-8", "ignore")) if _is_json(start) else sheet.header(source, COLUMNS, member)


def _is_json(start: bytes) -> bool:
    return start.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"[")


def _notes(file: Reading, families: list[dict[str, Any]], present: set[str]) -> dict[str, Any]:
    """What the user should know of how a file was read; `present` are the columns of its records."""
    names = sorted(file.ignored)
    more = [f"and {len(names) - _SHOWN:,} more"] if len(names) > _SHOWN else []
    notes = {**file.notes, "columns ignored": [*map(shown, names[:_SHOWN]), *more]}
    meant = {name: [known for known in hints(name) if known not in present] for name in names}
    hinted = [f"{shown(name)} ({' or '.join(known)}?)" for name, known in meant.items() if known]
    if hinted:
        notes["columns that may be known ones under another name (rename them to have them read)"] = hinted[:_SHOWN]
    if odd := sorted(name for name in file.ids if absent(name)):
        notes["family ids that are written as what is missing, kept as ids"] = f"{len(odd):,}, such as {odd[0]!r}"
    if file.absent:
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(file.absent.items()))
        notes["cells and entries that spell absence, read as empty"] = f"{counts}, such as {file.spelled!r}"
    cited = [one for each in families for one in each["cites"]]
    if unlike := _unlike([one["family_id"] for one in families], cited):
        notes["cited ids that look unlike family ids"] = unlike
    return notes


def _unlike(families: list[str], cited: list[str]) -> str:
    """Cited ids that differ from a family id in spelling only; or all, if no cited id is a family id; else ""."""
    spelled = {_bare(one): one for one in families}
    known = set(families)
    outside = [one for one in cited if one not in known]
    near = [one for one in outside if _bare(one) in spelled]
    if near:
        family = spelled[_bare(near[0])]
        return f"{len(near):,}, such as {near[0]!r:.60} where a family is {family!r:.60}; spell both in the same way"
    if outside and len(outside) == len(cited):
        return f"all {len(outside):,}, such as {outside[0]!r:.60} where a family is {families[0]!r:.60}"
    return ""


def _bare(name: str) -> str:
    """An id without what databases write differently: case, signs, kind code and padding."""
    signs = re.sub(r"[\W_]+", "", name.casefold())
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", re.sub(r"(?<=[0-9])[a-z][0-9]?$", "", signs))
