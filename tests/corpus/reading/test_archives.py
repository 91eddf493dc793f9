"""Archives in archives: what is in them is read as it is by itself, or what stands in the way is said."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest
from corpus.formats.harness import EXPORTS, RIGHT, read, spreadsheet

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus import own
from patent_embeddings.corpus.reading import records
from patent_embeddings.corpus.reading.source import Source

LENS = (EXPORTS / "lens-2023.csv").read_bytes()


def zipped(method: int = zipfile.ZIP_DEFLATED, **files: bytes) -> bytes:
    """A zip; `_` in names stands for a point."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return packed.getvalue()


def tarred(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read(path)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(str(path))


MAC = io.BytesIO()
with zipfile.ZipFile(MAC, "w") as _archive:
    _archive.writestr("__MACOSX/._l.csv", b"")
    _archive.writestr("l.csv", LENS)


@pytest.mark.parametrize(
    "content",
    [
        zipped(a_zip=zipped(l_csv=LENS)),
        zipped(zipfile.ZIP_STORED, a_zip=zipped(zipfile.ZIP_STORED, l_csv=LENS)),
        zipped(a_gz=gzip.compress(LENS)),
        tarred("a.gz", gzip.compress(LENS)),
        zipped(a_zip=MAC.getvalue()),
    ],
)
def test_an_archive_in_an_archive_is_read_whole(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    raw = read(tmp_path / "x")
    assert len(raw.families) == RIGHT["lens-2023.csv"]["families"]
    assert sum(map(len, raw.families["publications"])) == RIGHT["lens-2023.csv"]["publications"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("levels", [3, 4])
def test_more_layers_than_are_taken_off_are_refused(tmp_path: Path, method: int, levels: int) -> None:
    content = LENS
    for _ in range(levels):
        content = zipped(method, a_zip=content)
    said = "/a.zip: packed several times, one in the other; unpack it once or more"
    assert refused(tmp_path / "x.zip", content) == said
    with pytest.raises(UserError, match="packed several times"):  # as lines too
        list(records.read(Source(tmp_path / "x.zip"), {"id": ("id",)}, "id", lambda line: {"id": line}, "lines"))


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(gzip.compress(LENS)),
        gzip.compress(zipped(l_csv=LENS)),
        zipped(a_zip=zipped(l_gz=gzip.compress(LENS))),
        tarred("a.zip", zipped(zipfile.ZIP_STORED, b_zip=zipped(zipfile.ZIP_STORED, l_csv=LENS))),
    ],
)
def test_layers_of_several_kinds_are_refused(tmp_path: Path, content: bytes) -> None:
    assert refused(tmp_path / "x", content).endswith(": packed several times, one in the other; unpack it once or more")


def test_an_archive_of_several_files_in_an_archive_is_named(tmp_path: Path) -> None:
    inner = zipped(l_csv=LENS, readme_txt=b"See l.csv.")
    assert refused(tmp_path / "x.zip", zipped(a_zip=inner)) == "/a.zip: holds 2 files, expected one; unpack it"
    assert refused(tmp_path / "x.tar", tarred("a.zip", inner)) == "/a.zip: holds 2 files, expected one; unpack it"


def test_a_spreadsheet_among_others_is_named(tmp_path: Path) -> None:
    book = spreadsheet([["Title"], ["Pump"]], tmp_path / "book.xlsx").read_bytes()
    said = refused(tmp_path / "x.zip", zipped(a_xlsx=book, b_xlsx=book))
    assert said == "/a.xlsx: a spreadsheet, which is read by itself; take it out and name it"


def test_an_archive_of_nothing_whole_is_said_so(tmp_path: Path) -> None:
    assert refused(tmp_path / "x.zip", zipped(a_csv=b"")).startswith(": no complete file in it")
    assert refused(tmp_path / "x.gz", gzip.compress(LENS)[:12]).startswith(": no complete file in it")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bz2.compress(LENS), ": packed by bzip2, which is not read; unpack it, or pack it by gzip or zip"),
        (lzma.compress(LENS), ": packed by xz, which is not read; unpack it, or pack it by gzip or zip"),
        (b"7z\xbc\xaf\x27\x1c" + b"x" * 600, ": packed by 7z, which is not read; unpack it, or pack it by gzip or zip"),
        (
            zipped(l_csv=bz2.compress(LENS)),
            "/l.csv: packed by bzip2, which is not read; unpack it, or pack it by gzip or zip",
        ),
        (
            zipped(mimetype=b"application/vnd.oasis.opendocument.spreadsheet", content_xml=b"<a/>", meta_xml=b"<a/>"),
            ": a spreadsheet as .ods, which is not read; save it as .xlsx or CSV",
        ),
        (
            zipped(**{"[Content_Types]_xml": b"<a/>", "xl/workbook_bin": b"x"}),
            ": a spreadsheet as .xlsb, which is not read; save it as .xlsx or CSV",
        ),
    ],
    ids=["bz2", "xz", "7z", "bz2 in a zip", "ods", "xlsb"],
)
def test_what_is_packed_in_a_way_that_is_not_read_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    assert refused(tmp_path / "x", content) == said
    (tmp_path / "x.jsonl").write_bytes(content)
    if content[:2] != b"PK":
        with pytest.raises(UserError, match="which is not read"):  # in our own form, by its name
            own.parse(tmp_path / "x.jsonl")
    with pytest.raises(UserError, match="which is not read"):  # as lines too
        list(records.read(Source(tmp_path / "x"), {"id": ("id",)}, "id", lambda line: {"id": line}, "lines"))
