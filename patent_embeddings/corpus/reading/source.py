"""A file, archive or folder with its members decompressed, and counts of what is odd in them."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import meter, track
from patent_embeddings.corpus.reading.damage import DAMAGED, as_user_error, refuse_unread

HEAD = 1 << 18  # bytes by which a format is recognised
_ROOM, _RATIO = 64 << 20, 100  # bytes that any file may expand to; a larger one may expand to so many times its size
_SHEETS = ("[Content_Types].xml", "xl/workbook.xml")  # members of an .xlsx
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # .xls
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"
# Members of spreadsheets in forms that are not read.
_UNREAD_SHEETS = {".xlsb": {"xl/workbook.bin"}, ".ods": {"mimetype", "content.xml"}}
_LONG = 8 << 20  # bytes of a file above which progress is shown
_MANY = 20  # files above which progress counts files, not the bytes of each
Seen = Callable[[int], None] | None  # called with the number of bytes that were read
CUT = "files that end too early, read up to there"


@dataclass
class Report:
    """Counts of what was noticed while files were read, each with its first example."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)  # removed from examples, as these are kept in notes
    counted: set[tuple[str, str]] = field(default_factory=set)  # by `once`: what and example

    def count(self, what: str, example: str = "", number: int = 1) -> None:
        """Add `number` to a count, and keep the first example."""
        if number:
            self.counts[what] = self.counts.get(what, 0) + number
            for folder in self.folders:
                example = example.replace(folder, "")
            if example:
                self.examples.setdefault(what, f"{example:.100}")

    def once(self, what: str, example: str) -> None:
        """Add 1 to a count, unless the same example was counted before."""
        if (what, example) not in self.counted:
            self.counted.add((what, example))
            self.count(what, example)

    def notes(self) -> dict[str, str | int]:
        """Each count, with its example if it has one, in the order in which they first appeared."""
        return {
            what: f"{number:,}, such as {self.examples[what]}" if what in self.examples else number
            for what, number in self.counts.items()
        }


@dataclass
class Source:
    """A file, archive or folder that the user named."""

    path: Path
    report: Report = field(default_factory=Report)

    def __post_init__(self) -> None:
        if self.path.parent.name:
            self.report.folders.add(f"{self.path.parent}/")

    @cached_property
    def kind(self) -> str:
        """The kind of the file by its content: `folder`, `zip`, `tar`, `sheet` (a spreadsheet), `gzip` or `plain`.

        Raises UserError where it cannot be read.
        """
        if self.path.is_dir():
            return "folder"
        if self.path.exists() and not self.path.is_file():
            raise UserError(f"{self.path}: a pipe or a device, which can be read only once; save it as a file first")
        with as_user_error(self.path), self.path.open("rb") as handle:
            start = handle.read(512)
            if start.startswith(_OLE):
                return "sheet"
            if start.startswith(_ZIP):
                with zipfile.ZipFile(self.path) as archive:
                    names = set(archive.namelist())
                if names.issuperset(_SHEETS):
                    return "sheet"
                if form := next((form for form, needed in _UNREAD_SHEETS.items() if names >= needed), ""):
                    raise UserError(f"{self.path}: a spreadsheet as {form}, which is not read; save it as .xlsx or CSV")
                return "sheet" if self._packed_sheet else "zip"
            if start[257:262] == b"ustar":
                return "tar"
            if not start.startswith(_GZIP):
                return "plain"
        with suppress(*DAMAGED), gzip.open(self.path) as inner:
            if inner.read(512)[257:262] == b"ustar":
                return "tar"
        return "sheet" if self._packed_sheet else "gzip"

    @property
    def sheet(self) -> Path | BinaryIO:
        """The spreadsheet: the file itself, or the bytes of the one packed in it."""
        return io.BytesIO(self._packed_sheet) if self._packed_sheet else self.path

    @cached_property
    def _packed_sheet(self) -> bytes:
        """The bytes of the only spreadsheet in a zip or gzip; b"" where it holds anything else."""
        with suppress(*DAMAGED), ExitStack() as stack:
            if zipfile.is_zipfile(self.path):
                archive = stack.enter_context(zipfile.ZipFile(self.path))
                names = _parts(one.filename for one in archive.infolist() if not one.is_dir())
                if len(names) != 1:
                    return b""
                inner = stack.enter_context(_member(self.path, archive, names[0]))
            else:
                inner = cast(BinaryIO, stack.enter_context(gzip.open(self.path)))
            start = inner.read(len(_OLE))
            if start.startswith((_OLE, _ZIP)):
                data = start + inner.read(self.limit)
                if start.startswith(_OLE):
                    return data
                with zipfile.ZipFile(io.BytesIO(data)) as book:
                    return data if set(_SHEETS) <= set(book.namelist()) else b""
        return b""

    @cached_property
    def members(self) -> list[str]:
        """Sorted names of the files of a folder or archive; one empty name for a single file."""
        with as_user_error(self.path):
            if self.kind == "folder":
                found = (one for one in self.path.rglob("*") if one.is_file())
                names = [one.relative_to(self.path).as_posix() for one in found]
            elif self.kind == "zip":
                with zipfile.ZipFile(self.path) as archive:
                    names = [one.filename for one in archive.infolist() if not one.is_dir()]
            elif self.kind == "tar":
                names = []
                with tarfile.open(self.path) as archive, suppress(*DAMAGED):  # damage is reported when it is read
                    names += (one.name for one in archive if one.isfile())
            else:
                return [""]
        return _parts(names)

    def head(self, member: str | None = None) -> bytes:
        """The first `HEAD` bytes of a member (by default the first), decompressed; fewer where it is damaged."""
        read = b""
        if self.kind != "sheet" and self.members:
            name = self.members[0] if member is None else member
            with suppress(UserError, *DAMAGED), self._opened(name) as (stream, _, _):
                while len(read) < HEAD and (more := cast(io.BufferedReader, stream).read1(HEAD - len(read))):
                    read += more
        return read

    @contextmanager
    def open(self, member: str = "", *, progress: bool = True) -> Iterator[BinaryIO]:
        """Open a member, decompressed and with a progress bar. Counts one that was cut off, which is read up to there.

        Raises UserError where it is damaged, expands to more than any text would, or cannot be read.
        """
        name = f"{self.path}/{member}" if member else str(self.path)
        with as_user_error(Path(name)), self._opened(member) as (stream, packed, size), ExitStack() as stack:
            seen: Seen = None
            if progress and size > _LONG:
                seen = stack.enter_context(meter(size, f"reading {Path(name).name}", unit="B"))
            checked = _Checked(stream, Path(name), self, packed, seen)
            yield cast(BinaryIO, io.BufferedReader(checked, 1 << 20))

    def each(self) -> Iterator[tuple[str, BinaryIO]]:
        """Every member with its name, one open at a time. A tar is read once, in its own order."""
        if self.kind == "tar":
            yield from self._each_of_tar()
            return
        many = len(self.members) > _MANY
        label = f"reading {self.path.name}"
        for name in track(self.members, len(self.members), label, "files") if many else self.members:
            with self.open(name, progress=not many) as stream:
                yield name, stream

    def _each_of_tar(self) -> Iterator[tuple[str, BinaryIO]]:
        wanted, cut = set(self.members), self.report.counts.get(CUT, 0)
        with (
            as_user_error(self.path),
            tarfile.open(self.path) as archive,
            meter(len(wanted), f"reading {self.path.name}", "files") as seen,
        ):
            end = None
            with suppress(EOFError, tarfile.ReadError):
                for one in archive:
                    if one.name in wanted and (inner := archive.extractfile(one)) is not None:
                        with ExitStack() as stack:
                            packed = cast(BinaryIO, inner)
                            stream = self._unpacked(stack, packed, one.name)
                            checked = _Checked(stream, self.path / one.name, self, packed)
                            yield one.name, cast(BinaryIO, io.BufferedReader(checked, 1 << 20))
                        seen(1)
                cast(BinaryIO, archive.fileobj).seek(archive.offset)
                end = cast(BinaryIO, archive.fileobj).read(tarfile.BLOCKSIZE)
            if end and len(end) == tarfile.BLOCKSIZE and any(end):  # tarfile takes a damaged header for the end
                raise tarfile.ReadError(f"no header at byte {archive.offset:,}")
            if (not end or len(end) < tarfile.BLOCKSIZE) and self.report.counts.get(CUT, 0) == cut:
                self.report.count(CUT, self.path.name)

    @cached_property
    def limit(self) -> int:
        """Bytes that it may expand to when decompressed; no limit for a folder."""
        size = self.path.stat().st_size if self.path.is_file() else 0
        return max(_ROOM, _RATIO * size) if size else 1 << 62

    @contextmanager
    def _opened(self, member: str) -> Iterator[tuple[BinaryIO, BinaryIO, int]]:
        """A member with one layer of compression undone, gzip or a zip of one file; as it is packed; and its size."""
        with ExitStack() as stack:
            if self.kind == "zip":
                archive = stack.enter_context(zipfile.ZipFile(self.path))
                stream = stack.enter_context(_member(self.path, archive, member))
                size = archive.getinfo(member).file_size
            elif self.kind == "tar":
                packed = stack.enter_context(tarfile.open(self.path))
                found = next(one for one in packed if one.name == member)  # the rest of the tar may be damaged
                stream, size = cast(BinaryIO, packed.extractfile(found)), found.size
            else:
                path = self.path / member if self.kind == "folder" else self.path
                stream, size = stack.enter_context(path.open("rb")), path.stat().st_size
            yield self._unpacked(stack, stream, member), stream, size

    def _unpacked(self, stack: ExitStack, stream: BinaryIO, member: str) -> BinaryIO:
        start = stream.peek(6)[:6] if hasattr(stream, "peek") else b""
        if start.startswith(_GZIP):
            return cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=stream)))
        refuse_unread(start, self.path / member)
        if not start.startswith(_ZIP):
            return stream
        inner = stack.enter_context(zipfile.ZipFile(stream))  # a zip within a folder, a zip or a tar
        names = _parts(name for name in inner.namelist() if not name.endswith("/"))
        if set(_SHEETS) <= set(inner.namelist()):
            raise UserError(f"{self.path}/{member}: a spreadsheet, which is read by itself; take it out and name it")
        if len(names) != 1:
            raise UserError(f"{self.path}/{member}: holds {len(names)} files, expected one; unpack it")
        return stack.enter_context(_member(self.path / member, inner, names[0]))


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> BinaryIO:
    """Open a file of a zip. Raises UserError where it needs a password."""
    if archive.getinfo(name).flag_bits & 1:
        raise UserError(f"{path}: protected by a password; compress it again without")
    return cast(BinaryIO, archive.open(name))


def _parts(names: Iterable[str]) -> list[str]:
    """Sorted names without hidden files and those that operating systems add."""
    hidden = re.compile(r"(^|/)(\.[^/]*[^/.]|__MACOSX)")
    return sorted(name for name in names if not hidden.search(name))


class _Checked(io.RawIOBase):
    """A stream that ends where the file was cut off, and raises UserError for damage or too much expansion.

    `seen`, if given, is called with how far `packed` was read meanwhile.
    """

    def __init__(self, stream: BinaryIO, path: Path, source: Source, packed: BinaryIO, seen: Seen = None) -> None:
        self.stream, self.packed, self.seen = cast(io.BufferedReader, stream), packed, seen
        self.path, self.report, self.limit, self.left = path, source.report, source.limit, source.limit
        self.cut, self.at = False, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.cut:
            return 0
        try:
            with as_user_error(self.path, EOFError, tarfile.ReadError):
                read = self.stream.read1(len(buffer))  # `read` would lose what stands before an early end
        except (EOFError, tarfile.ReadError):
            self.cut = True
            self.report.count(CUT, self.path.name)
            return 0
        if self.left == self.limit and read.startswith((_ZIP, _GZIP)):
            raise UserError(f"{self.path}: packed several times, one in the other; unpack it once or more")
        self.left -= len(read)
        if self.left < 0:
            said = f"expands to more than {self.limit >> 20:,} MiB, more than any text"
            raise UserError(f"{self.path}: {said}; compress or copy it again")
        if self.seen:
            before, self.at = self.at, self.packed.tell()
            self.seen(self.at - before)
        buffer[: len(read)] = read
        return len(read)
