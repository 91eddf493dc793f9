"""The user's own file: JSON lines (plain or gzipped), parquet, or CSV; one family a line."""

from __future__ import annotations

import csv
import datetime
import gzip
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages import layout
from stages.errors import UserError, nearest
from stages.files import sha256
from stages.sources import Raw
from stages.sources.assemble import assemble

if TYPE_CHECKING:
    from stages.registry.entries import Table

REQUIRED = ("family_id", "title", "abstract")
TEXTS = ("title", "abstract", "claims", "description", "jurisdiction", "date")
LISTS = ("ipc", "cpc", "labels", "cites")
COLUMNS = ("family_id", *TEXTS, *LISTS)


def load(name: str, entry: Table) -> Raw:
    """Load the file that `python -m stages.landscape add` took in.

    Raises:
        UserError: the file is absent, is not the one that was added, or breaks the format.
    """
    path = Path(entry.file)
    if not path.is_file():
        raise UserError(f"{path}: the file of landscape {name!r} is missing; run `dvc pull {path}.dvc`")
    if sha256(path) != entry.sha256:
        raise UserError(
            f"{path}: its sha256 is not the one in {layout.registry('landscapes')} under {name!r}; "
            f"run `dvc checkout {path}.dvc`, or add the new file under an id of its own"
        )
    return parse(path)


def parse(path: Path) -> Raw:
    """Read and check a file whole; text is kept to the letter, absent text becomes "".

    Columns: family_id, title, abstract; where known claims, description, ipc, cpc, jurisdiction,
    date, labels, cites. Others are ignored; the notes name the first twenty under `columns ignored`.

    Raises:
        UserError: the file cannot be read or breaks the format; names the file, the line or row, and the mend.
    """
    read, decode = _FORMATS[suffix(path)]
    families: list[dict[str, Any]] = []
    places: dict[str, str] = {}
    ignored: set[str] = set()
    try:
        for place, line in read(path):
            try:
                record = decode(line)
                family = _family(record)
                first = places.setdefault(family["family_id"], place)
                if first != place:
                    raise _Fault(
                        f"family_id {family['family_id']!r:.80} is also on {first}; give every family one line"
                    )
            except _Fault as fault:
                raise UserError(f"{path}: {place}: {fault}") from None
            ignored.update(record.keys() - set(COLUMNS))
            families.append(family)
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror or error!s:.100}); check path and permissions") from None
    if not families:
        raise UserError(f"{path}: no family in it; it needs one family a line")
    if not any(family[name] for family in families for name in ("title", "abstract", "claims", "description")):
        raise UserError(f"{path}: no family has any text; fill in title, abstract, claims or description")
    raw = assemble(families, ((family["family_id"], cited) for family in families for cited in family["cites"]))
    raw.notes["columns ignored"] = [ascii(name)[1:-1][:60] for name in sorted(ignored)[:20]]
    return raw


def suffix(path: Path) -> str:
    """The suffix that names the file's format, such as `.jsonl.gz`. Raises UserError at any other."""
    for known in _FORMATS:
        if path.name.endswith(known):
            return known
    raise UserError(f"{path}: unknown kind of file; rename or convert it to one of {', '.join(_FORMATS)}")


class _Fault(Exception):
    """What is wrong with one line, and the mend."""


def _family(record: dict[str, Any]) -> dict[str, Any]:
    for name in REQUIRED:
        if name not in record:
            hint = nearest(name, [key for key in record if key not in COLUMNS])
            raise _Fault(f"column {name!r} is missing{hint}; every family needs {', '.join(REQUIRED)}")
    family: dict[str, Any] = {"family_id": _identifier(record["family_id"])}
    family |= {name: _text(name, record.get(name)) for name in TEXTS}
    family |= {name: _list(name, record.get(name)) for name in LISTS}
    _check_date(family["date"])
    return family


def _identifier(value: Any) -> str:
    text = _text("family_id", value)
    if not text:
        raise _Fault("family_id is empty; give every family an id")
    if not text.isprintable() or any(part in text for part in (" ", "/", "\\")) or len(text) > 200:
        raise _Fault(
            f"family_id {text!r:.80}: ids have no blank, slash or control character and at most 200 characters; "
            "replace them, such as by '-'"
        )
    return text


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _Fault(f"column {name!r} is {_kind(value)}, expected text; write it as text")
    if "\0" in value:
        raise _Fault(f"column {name!r} has a NUL character; remove it")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise _Fault(f"column {name!r} has half of a surrogate pair; write the whole character") from None
    return value


def _list(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _Fault(f"column {name!r} is {_kind(value)}, expected a list of texts; write it as a list")
    if not all(isinstance(part, str) and part.strip() for part in value):
        raise _Fault(f"column {name!r} holds an entry that is empty or no text; leave it out or write it as text")
    return [_text(name, part).strip() for part in value]


def _check_date(text: str) -> None:
    try:
        if text and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError
        if text:
            datetime.date.fromisoformat(text)
    except ValueError:
        raise _Fault(f"date {text!r:.40} is not an ISO date; write YYYY-MM-DD, or leave it empty") from None


def _kind(value: Any) -> str:
    for kind, said in ((str, "text"), (bool, "true or false"), ((int, float), "a number"), (list, "a list"),
                       (dict, "an object"), (bytes, "binary")):  # fmt: skip
        if isinstance(value, kind):
            return said
    return f"a {type(value).__name__}"


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    number = 0
    try:
        with gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    # Some editors put a byte order mark first.
                    yield f"line {number}", line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: damaged gzip after line {number} ({error}); compress or copy it again") from None


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise _Fault(f"byte {error.start + 1} is not UTF-8; save the file as UTF-8") from None
    except RecursionError:
        raise _Fault("nested too deeply; values are texts and lists of texts") from None
    except ValueError as error:
        raise _Fault(f"not JSON ({error!s:.80}); write one JSON object a line") from None
    if not isinstance(value, dict):
        raise _Fault(f"{_kind(value)}, expected one JSON object a line")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise _Fault("a key is given twice; keep one of them")
    return value


def _csv_rows(path: Path) -> Iterator[tuple[str, tuple[list[str], list[str]]]]:
    csv.field_size_limit(sys.maxsize)  # a description may be long
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = csv.reader(handle, strict=True)
            header = _header(path, next(rows, []))
            for number, row in enumerate(rows, start=1):
                if row:
                    yield f"row {number}", (header, row)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: after row {number}: {error.reason}, not UTF-8; save the file as UTF-8") from None
    except csv.Error as error:
        raise UserError(f"{path}: after row {number}: not CSV ({error}); quote fields and double the quotes in them") from None  # fmt: skip


def _fields(line: tuple[list[str], list[str]]) -> dict[str, Any]:
    header, row = line
    if len(row) != len(header):
        raise _Fault(f"{len(row)} fields, but the header has {len(header)}; quote fields that hold a comma")
    record: dict[str, Any] = dict(zip(header, row, strict=True))
    for name in record.keys() & set(LISTS):
        record[name] = [part.strip() for part in record[name].split(";") if part.strip()]
    return record


def _parquet_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            names = _header(path, file.schema_arrow.names)
            others = dict.fromkeys(name for name in names if name not in COLUMNS)
            for batch in file.iter_batches(batch_size=1000, columns=[name for name in names if name in COLUMNS]):
                for record in batch.to_pylist():
                    number += 1
                    yield f"row {number}", others | record
    except (pyarrow.ArrowException, ValueError, OverflowError) as error:
        raise UserError(
            f"{path}: after row {number}: damaged or not parquet ({error!s:.100}); write it again"
        ) from None


def _header(path: Path, names: list[str]) -> list[str]:
    twice = sorted(name for name in set(names) if names.count(name) > 1)
    if twice:
        raise UserError(f"{path}: column {twice[0]!r:.60} is given twice; keep one of them")
    return names


_FORMATS: dict[str, tuple[Callable[[Path], Iterator[tuple[str, Any]]], Callable[[Any], dict[str, Any]]]] = {
    ".jsonl": (_lines, _object),
    ".jsonl.gz": (_lines, _object),
    ".csv": (_csv_rows, _fields),
    ".parquet": (_parquet_rows, dict),
}
