"""The user's own file: JSON (lines, plain or gzipped, or an array), parquet, or CSV; one family a line or object."""

from __future__ import annotations

import ast
import contextlib
import csv
import datetime
import functools
import gzip
import io
import itertools
import json
import re
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pyarrow
import pyarrow.parquet as pq

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.core.files import sha256
from patent_embeddings.corpus.codes import parse as code
from patent_embeddings.corpus.sources import Raw, absent
from patent_embeddings.corpus.sources.assemble import assemble

if TYPE_CHECKING:
    from patent_embeddings.corpus.entries import Table

REQUIRED = ("family_id", "title", "abstract")
TEXTS = ("title", "abstract", "claims", "description", "jurisdiction", "date")
LISTS = ("ipc", "cpc", "labels", "cites")
COLUMNS = ("family_id", *TEXTS, *LISTS)
# Words in the name of a column that say what it may be, for hints: nothing is read under another name.
WORDS = {
    word: known
    for known, words in {
        "family_id": "family id docdb", "title": "title titles", "abstract": "abstract abstracts summary", "claims": "claim claims",
        "description": "description descriptions fulltext", "ipc": "ipc ipcr ipcs", "cpc": "cpc cpcs", "date": "date dates",
        "jurisdiction": "jurisdiction country office", "labels": "label labels topic category tags",
        "cites": "cites cited citation citations refs reference references",
    }.items()
    for word in words.split()
}  # fmt: skip
SHOWN = 20  # ignored columns that are named
_ROOM, _RATIO = 64 << 20, 100  # bytes that any file may expand to, and how many times its size it may beyond that
_SAMPLE = 10_000  # cells that a delimiter is decided on
_SHORT = 1000  # columns among which one that is missing is looked for
_TOP = 30  # lines in which the header of a CSV file is looked for


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


@dataclass
class _File:
    """What is learnt of a file while it is read."""

    path: Path
    header: list[str] = field(default_factory=list)  # its columns, where they are named once for all
    flat: bool = False  # cells hold lists as text
    ignored: set[str] = field(default_factory=set)
    notes: dict[str, Any] = field(default_factory=dict)
    absent: Counter[str] = field(default_factory=Counter)  # column -> cells that spell absence
    ids: set[str] = field(default_factory=set)  # of the families
    spelled: str = ""  # the first of them


def parse(path: Path) -> Raw:
    """Read and check a file whole; text is kept to the letter, absent text, however it is spelled, becomes "".

    Columns: family_id, title, abstract; where known claims, description, ipc, cpc, jurisdiction,
    date, labels, cites. Others are ignored; the notes name the first twenty under `columns ignored`.

    Raises:
        UserError: the file cannot be read or breaks the format; names the file, the line or row, and the mend.
    """
    read, decode = _FORMATS[suffix(path)]
    file = _File(path)
    try:
        rows = []
        places: dict[str, str] = {}
        for place, line in read(file):
            with _placed(path, place):
                record = decode(line)
                _required(record)
                record["family_id"] = _identifier(record["family_id"])
                first = places.setdefault(record["family_id"], place)
                if first != place:
                    raise _Fault(
                        f"family_id {record['family_id']!r:.80} is also on {first}; give every family one line"
                    )
            if not file.header:  # each object has its own
                file.ignored.update(record.keys() - set(COLUMNS))
            rows.append((place, {name: record[name] for name in COLUMNS if name in record}))
        if not rows:
            raise UserError(f"{path}: no family in it; it needs one family a line")
        file.ids.update(places)
        _split_lists(file, [record for _, record in rows])
        families: list[dict[str, Any]] = []
        for place, record in rows:
            with _placed(path, place):
                families.append(_family(record, file))
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror or error!s:.100}); check path and permissions") from None
    except MemoryError:
        raise UserError(f"{path}: does not fit in this machine's memory; divide it, or take another machine") from None
    if not any(family[name] for family in families for name in ("title", "abstract", "claims", "description")):
        raise UserError(f"{path}: no family has any text; fill in title, abstract, claims or description")
    raw = assemble(families, ((family["family_id"], cited) for family in families for cited in family["cites"]))
    raw.notes.update(_notes(file, families, {name for _, record in rows for name in record}))
    return raw


def suffix(path: Path) -> str:
    """The suffix that names the file's format, such as `.jsonl.gz`. Raises UserError at any other."""
    for known in _FORMATS:
        if path.name.lower().endswith(known):
            return known
    raise UserError(f"{path}: unknown kind of file; rename or convert it to one of {', '.join(_FORMATS)}")


class _Fault(Exception):
    """What is wrong with one line, and the mend."""


class _placed:
    """Gives a fault its file and place."""

    def __init__(self, path: Path, place: str) -> None:
        self.where = f"{path}: {place}"

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _Fault):
            raise UserError(f"{self.where}: {error}") from None


def _required(columns: Collection[str]) -> None:
    for name in REQUIRED:
        if name not in columns:
            names = list(columns)
            others = [key for key in names[:_SHORT] if key not in COLUMNS]
            hint = nearest(name, list(map(_shown, others))) or _meant(name, others)
            has = f"; there are {', '.join(map(_shown, names[:8]))}{', ...' if len(names) > 8 else ''}" if names else ""
            raise _Fault(f"column {name!r} is missing{hint}; every family needs {', '.join(REQUIRED)}{has}")


def _meant(name: str, others: Iterable[str]) -> str:
    close = [other for other in others if name in _hints(other)]
    return f" (did you mean {', '.join(map(_shown, close[:3]))}?)" if close else ""


def _hints(name: str) -> list[str]:
    """Known columns that another name may stand for: `Publication Date` for date."""
    words = re.findall(r"[a-z]+", name.lower()) if len(name) < 40 else []
    return sorted({WORDS[word] for word in words if word in WORDS}) if len(words) < 5 else []


def _shown(name: str) -> str:
    return ascii(name)[1:-1][:60]


def _family(record: dict[str, Any], file: _File) -> dict[str, Any]:
    for name, value in record.items():
        if name != "family_id" and isinstance(value, str) and value.strip() and absent(value):
            file.absent[name] += 1
            file.spelled = file.spelled or value.strip()
    family: dict[str, Any] = {"family_id": record["family_id"]}
    family |= {name: _text(name, record.get(name)) for name in TEXTS}
    family |= {name: _list(name, record.get(name), file) for name in LISTS}
    _check_date(family["date"])
    return family


def _identifier(value: Any) -> str:
    if absent(value) and not (isinstance(value, str) and value.strip()):
        raise _Fault("family_id is empty; give every family an id")
    text = _id("family_id", value)
    if not text.isprintable() or any(part in text for part in (" ", "/", "\\")) or len(text) > 200:
        raise _Fault(
            f"family_id {text!r:.80}: ids have no blank, slash or control character and at most 200 characters; "
            "replace them, such as by '-'"
        )
    return text


def _id(name: str, value: Any) -> str:
    """An id as it is spelled; a whole number by its digits, of which there is one spelling."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        raise _Fault(f"column {name!r} holds the decimal number {value!r}: as an id it has lost its spelling; write ids as text")  # fmt: skip
    text = _letters(name, value)
    if re.fullmatch(r"[+-]?[0-9]+([.,][0-9]+)?[Ee]\+[0-9]+", text.strip()):
        raise _Fault(f"column {name!r} has {text!r:.40}: a spreadsheet rewrote an id as a number and its digits are lost; export again with ids as text")  # fmt: skip
    return text


def _text(name: str, value: Any) -> str:
    if name == "date" and isinstance(value, datetime.date):
        return value.isoformat()[:10]
    return "" if absent(value) else _letters(name, value)


def _letters(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _Fault(f"column {name!r} is {_kind(value)}, expected text; write it as text")
    if "\0" in value:
        raise _Fault(f"column {name!r} has a NUL character; remove it")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise _Fault(f"column {name!r} has half of a surrogate pair; write the whole character") from None
    return value


def _nothing(name: str, value: Any, file: _File) -> bool:
    """Whether a cell or entry stands for nothing: `nan` is cited where a family is called so."""
    return absent(value) and not (name == "cites" and isinstance(value, str) and value.strip() in file.ids)


def _list(name: str, value: Any, file: _File) -> list[str]:
    if _nothing(name, value, file):
        return []
    if not isinstance(value, list):
        raise _Fault(f"column {name!r} is {_kind(value)}, expected a list of texts; write it as a list")
    kept = [part for part in value if not _nothing(name, part, file)]
    spelled = [part for part in value if isinstance(part, str) and part.strip() and _nothing(name, part, file)]
    if spelled:
        file.absent[name] += len(spelled)
        file.spelled = file.spelled or spelled[0].strip()
    if name == "cites":
        return [_id(name, part).strip() for part in kept]
    if not all(isinstance(part, str) for part in kept):
        raise _Fault(f"column {name!r} holds an entry that is no text; leave it out or write it as text")
    return [_text(name, part).strip() for part in kept]


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


# What is said of a file beside its families.


def _notes(file: _File, families: list[dict[str, Any]], present: set[str]) -> dict[str, Any]:
    """Counts of what was read in some way that the user should know of."""
    names = sorted(file.ignored)
    more = [f"and {len(names) - SHOWN:,} more"] if len(names) > SHOWN else []
    notes = {**file.notes, "columns ignored": [*map(_shown, names[:SHOWN]), *more]}
    hinted = [f"{_shown(name)} ({' or '.join(meant)}?)" for name in names if (meant := [known for known in _hints(name) if known not in present])]  # fmt: skip
    if hinted:
        notes["columns that may be known ones under another name (rename them to have them read)"] = hinted[:SHOWN]
    if odd := sorted(name for name in file.ids if absent(name)):
        notes["family ids that are written as what is missing, kept as ids"] = f"{len(odd):,}, such as {odd[0]!r}"
    if file.absent:
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(file.absent.items()))
        notes["cells and entries that spell absence, read as empty"] = f"{counts}, such as {file.spelled!r}"
    unlike = _unlike([family["family_id"] for family in families], [one for family in families for one in family["cites"]])  # fmt: skip
    if unlike:
        notes["cited ids that look unlike family ids"] = unlike
    return notes


def _unlike(families: list[str], cited: list[str]) -> str:
    """Cited ids that are family ids but for their spelling, or all of them where none is one; "" where neither is so."""
    bare = {_bare(family): family for family in families}
    known = set(families)
    outside = [one for one in cited if one not in known]
    near = [one for one in outside if _bare(one) in bare]
    if near:
        return f"{len(near):,}, such as {near[0]!r:.60} where a family is {bare[_bare(near[0])]!r:.60}; spell both in the same way"  # fmt: skip
    if outside and len(outside) == len(cited):
        return f"all {len(outside):,}, such as {outside[0]!r:.60} where a family is {families[0]!r:.60}"
    return ""


def _bare(name: str) -> str:
    """An id without what databases write differently: case, signs, a kind code, zeros that pad a number."""
    signs = re.sub(r"[\W_]+", "", name.casefold())
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", re.sub(r"(?<=[0-9])[a-z][0-9]?$", "", signs))


# Lists in the cells of a CSV file.


def _split_lists(file: _File, records: list[dict[str, Any]]) -> None:
    """Make lists of the cells of a CSV file, a column in one way that is decided on all of it and noted."""
    if not file.flat:
        return
    said = []
    for name in LISTS:
        cells = [record[name] for record in records if name in record]
        if not cells:
            continue
        form = _form(name, [cell for cell in cells if not _nothing(name, cell, file)][:_SAMPLE], file)
        several = False
        for record in records:
            if not _nothing(name, record[name], file):
                record[name] = _parts(form, record[name])
                several = several or len(record[name]) > 1
        said += [f"{name} by {form}"] if several else []
    if said:
        file.notes["lists separated"] = said


def _form(name: str, cells: list[str], file: _File) -> str:
    """How the cells of a column hold lists: as most of their parts are codes, or ids of families, then as they look."""
    proofs: dict[str, Callable[[str], bool]] = {
        "ipc": _is_code,
        "cpc": _is_code,
        "cites": lambda part: part in file.ids,
    }
    if name in proofs:
        right: dict[str, tuple[int, int]] = {}
        for form in _FORMS:
            parts = [part for cell in cells for part in _parts(form, cell) if not _nothing(name, part, file)]
            hits = sum(map(proofs[name], parts))
            right[form] = (hits, hits - len(parts))
        if max(right.values(), default=(0, 0))[0]:
            return max(right, key=lambda form: right[form])
    # A comma or a blank may be part of a label.
    looks = {form: sum(sign in cell for cell in cells) for form, sign in (("';;'", ";;"), ("';'", ";"), ("'|'", "|"), ("line breaks", "\n"))}  # fmt: skip
    if sum(_BRACKETS.fullmatch(cell.strip()) is not None for cell in cells) * 2 > len(cells):
        return "commas in brackets"
    return max(looks, key=lambda form: looks[form]) if any(looks.values()) else "';'"


def _parts(form: str, cell: str) -> list[str]:
    """The entries of a cell, each without blanks and quotes around it."""
    return [_QUOTED.sub(r"\2", part.strip()).strip() for part in _FORMS[form](cell)]


def _is_code(part: str) -> bool:
    return len(code(part) or "") >= 3  # a letter alone proves nothing


_BRACKETS = re.compile(r"""\[.*\]|\(\s*['"].*\)|\{.*\}""", re.DOTALL)  # of Python, JSON, numpy; a tuple; a set, SQL
_QUOTED = re.compile(r"""\A(['"])([^'"]*)\1\Z""")
_ITEM = re.compile(r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,'"\s][^,'"]*)\s*,?""", re.DOTALL)


def _printed(cell: str) -> list[str]:
    """The items of a list as a program prints it, quoted or not; a cell without brackets is one item."""
    cell = cell.strip()
    if not _BRACKETS.fullmatch(cell):
        return [cell]
    inner, at, items = cell[1:-1].rstrip(), 0, []
    while at < len(inner):
        item = _ITEM.match(inner, at)
        if item is None:
            return [cell]
        at = item.end()
        items.append(_unquoted(item[1]))
    return items


def _unquoted(item: str) -> str:
    if item[0] not in "'\"":
        return item.strip()
    try:
        return str(json.loads(item)) if item[0] == '"' else str(ast.literal_eval(item))
    except (ValueError, SyntaxError):
        return item[1:-1]


_BETWEEN_COMMAS = re.compile(r"(?:[(\[][^()\[\]]*[)\]]|[^,])*+")  # (EP,US) is of one code
_FORMS: dict[str, Callable[[str], list[str]]] = {
    "';;'": lambda cell: cell.split(";;"),
    "';'": lambda cell: cell.split(";"),
    "'|'": lambda cell: cell.split("|"),
    "line breaks": str.splitlines,
    "commas in brackets": _printed,
    "commas": lambda cell: [part for part in _BETWEEN_COMMAS.findall(cell) if part],
    "blanks": str.split,
}


# Readers: places and lines of a file, and from a line its columns.


class _Bounded(io.RawIOBase):
    """A gzipped file that may not expand without end: what it holds has to fit in memory."""

    def __init__(self, path: Path) -> None:
        self.path, self.expanded, self.limit = path, 0, _room(path)
        self.file = gzip.open(path, "rb")  # noqa: SIM115 (closed with this)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.file.read(len(buffer))
        buffer[: len(data)] = data
        self.expanded += len(data)
        if self.expanded > self.limit:
            raise UserError(_bomb(self.path, self.limit))
        return len(data)

    def close(self) -> None:
        self.file.close()
        super().close()


def _room(path: Path) -> int:
    return max(_ROOM, _RATIO * path.stat().st_size)


def _bomb(path: Path, limit: int) -> str:
    return f"{path}: expands to more than {limit >> 20:,} MiB from {path.stat().st_size:,} bytes, as no text does; compress or copy it again"  # fmt: skip


def _open(path: Path) -> IO[bytes]:
    if path.name.lower().endswith(".gz"):
        return io.BufferedReader(_Bounded(path), 1 << 20)
    return path.open("rb")


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    number = 0
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    # Some editors put a byte order mark first.
                    yield f"line {number}", line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: damaged gzip after line {number} ({error}); compress or copy it again") from None


def _json_rows(file: _File) -> Iterator[tuple[str, Any]]:
    """Objects, one a line; or of an array, or printed over several lines each, where the first line says so."""
    lines = _lines(file.path)
    first = next(lines, None)
    if first is None:
        return
    if first[1].lstrip().startswith(b"[") or _goes_on(first[1]):
        yield from _values(file.path, b"".join([first[1], *(line for _, line in lines)]))
    else:
        yield from itertools.chain([first], lines)


def _goes_on(line: bytes) -> bool:
    """Whether a line is the beginning of an object, and sound as far as it goes."""
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return line.lstrip().startswith(b"{") and error.pos >= len(error.doc.rstrip())
    except (ValueError, RecursionError):
        pass
    return False


def _values(path: Path, content: bytes) -> Iterator[tuple[str, Any]]:
    """The objects of arrays, or of texts one after another."""
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    values: list[Any] = []
    try:
        text = content.decode("utf-8")
        at = _BETWEEN.match(text).end()  # type: ignore[union-attr]
        while at < len(text):
            value, end = decoder.raw_decode(text, at)
            values += value if isinstance(value, list) else [value]
            at = _BETWEEN.match(text, end).end()  # type: ignore[union-attr]
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start + 1} is not UTF-8; save the file as UTF-8") from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply; values are texts and lists of texts") from None
    except (ValueError, _Fault) as error:
        raise UserError(f"{path}: record {len(values) + 1}: not JSON ({error!s:.100}); write one JSON object a line, or an array of them") from None  # fmt: skip
    yield from ((f"record {number}", value) for number, value in enumerate(values, start=1))


_BETWEEN = re.compile(r"[\s,]*")


def _object(line: Any) -> dict[str, Any]:
    value = line
    if isinstance(line, bytes):
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


_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


def _csv_rows(file: _File) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    csv.field_size_limit(sys.maxsize)  # a description may be long
    number = 0
    path = file.path
    try:
        above, delimiter = _header_of_csv(path)
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = csv.reader(itertools.islice(handle, above, None), delimiter=delimiter, strict=True)
            names = [name.strip() for name in next(rows, [])]
            if not any(names):
                return
            header = _header(file, names)
            columns = [(place, name) for place, name in enumerate(header) if name in COLUMNS]
            for number, row in enumerate(rows, start=1):
                if any(row):  # spreadsheets write rows of empty fields below the last one
                    yield f"row {number}", functools.partial(_fields, row, columns, len(header), delimiter)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: after row {number}: {error.reason}, not UTF-8; save the file as UTF-8") from None
    except csv.Error as error:
        raise UserError(f"{path}: after row {number}: not CSV ({error}); quote fields and double the quotes in them") from None  # fmt: skip
    file.flat = True
    if above:
        file.notes["lines above the header, left out"] = above
    if delimiter != ",":
        file.notes["fields separated by"] = [_DELIMITERS[delimiter]]


def _header_of_csv(path: Path) -> tuple[int, str]:
    """Lines above the header, and the delimiter: where most known columns are found; else the first line."""
    with path.open(encoding="utf-8-sig", newline="") as handle:
        top = list(itertools.islice(handle, _TOP))
    best, found = (0, 0), (0, ",")
    for delimiter in _DELIMITERS:
        reader, above = csv.reader(top, delimiter=delimiter), 0
        with contextlib.suppress(csv.Error):
            for row in reader:
                names = {name.strip() for name in row}
                score = (len(names & set(COLUMNS)), sum(bool(_hints(name)) for name in row[:_SHORT]))
                if score > best:
                    best, found = score, (above, delimiter)
                above = reader.line_num
    if best == (0, 0) and top:
        found = (0, max(_DELIMITERS, key=top[0].count))
    return found


def _fields(row: list[str], columns: list[tuple[int, str]], width: int, delimiter: str) -> dict[str, Any]:
    if len(row) != width:
        mend = f"quote fields that hold {_DELIMITERS[delimiter]}" if len(row) > width else "give every row all fields"
        raise _Fault(f"{len(row)} fields, but the header has {width}; {mend}")
    return {name: row[place] for place, name in columns}


def _parquet_rows(file: _File) -> Iterator[tuple[str, dict[str, Any]]]:

    number = expanded = 0
    path = file.path
    limit = _room(path)
    try:
        with pq.ParquetFile(path) as parquet:
            names = _header(file, parquet.schema_arrow.names)
            for batch in parquet.iter_batches(batch_size=1000, columns=[name for name in names if name in COLUMNS]):
                expanded += batch.nbytes
                if expanded > limit:
                    raise UserError(_bomb(path, limit))
                for record in batch.to_pylist():
                    number += 1
                    yield f"row {number}", record
    except (pyarrow.ArrowException, ValueError, OverflowError, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # without a number it is what pyarrow says of damaged content
            raise
        said = " ".join(str(error).split())
        raise UserError(f"{path}: after row {number}: damaged or not parquet ({said:.100}); write it again") from None


def _header(file: _File, names: list[str]) -> list[str]:
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if twice:
        raise UserError(f"{file.path}: column {twice[0]!r:.60} is given twice; keep one of them")
    with _placed(file.path, "header"):
        _required(dict.fromkeys(names))
    file.header = names
    file.ignored = set(names) - set(COLUMNS) - {""}
    return names


_FORMATS: dict[str, tuple[Callable[[_File], Iterator[tuple[str, Any]]], Callable[[Any], dict[str, Any]]]] = {
    ".jsonl": (_json_rows, _object),
    ".jsonl.gz": (_json_rows, _object),
    ".json": (_json_rows, _object),
    ".csv": (_csv_rows, lambda fields: fields()),
    ".tsv": (_csv_rows, lambda fields: fields()),
    ".parquet": (_parquet_rows, dict),
}
