"""The format `lens`, held against csv alone."""

from __future__ import annotations

import gzip
import random
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from harness import EXPORTS, RIGHT, canonical, cut, damaged, examples, outcome, read, row
from harness import spreadsheet as write_spreadsheet
from hypothesis import given
from hypothesis import strategies as st
from spelled import ascii_only, cells, coded, iso, listed, packed, spell, table

from patent_embeddings.corpus.formats import lens
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading.sheet import CUT_ROW, OPEN_END
from patent_embeddings.corpus.reading.source import Source

FILES = ["lens-2023.csv", "lens-2020.csv"]
BYTES = {name: (EXPORTS / name).read_bytes() for name in FILES}
ROWS = {name: cells(data) for name, data in BYTES.items()}
WHOLE = {name: canonical(read(EXPORTS / name)) for name in FILES}
KNOWN = ROWS["lens-2023.csv"][0]


def found(path: Path) -> list[tuple[Any, ...]]:
    """What is read of each publication, what is not ASCII aside."""
    return [
        (
            *(ascii_only(one.numbers[0]), ascii_only(one.key), one.dates, one.priority, ascii_only(one.application)),
            *(sorted(map(ascii_only, entries)) for entries in (one.members, one.priorities, one.ipc, one.cpc)),
            *("".join(ascii_only(text.text) for text in texts) for texts in (one.title, one.abstract)),
        )
        for one in lens.FORMAT.read(Source(path), Select())
        if one.numbers
    ]


def plain(data: bytes) -> list[tuple[Any, ...]]:
    return list(filter(None, map(_plain, table(cells(data), KNOWN))))


def _plain(cased: dict[str, str]) -> tuple[Any, ...] | None:
    line = {" ".join(name.casefold().split()): "" if text.strip() == "-" else text for name, text in cased.items()}

    def cell(*names: str) -> str:
        return next(filter(None, (ascii_only(line.get(name, "")) for name in names)), "")

    def entries(name: str) -> list[str]:
        parts = coded(line.get(name, "")) if "classifications" in name else listed(line.get(name, ""))
        return sorted(map(ascii_only, parts))

    if not (number := cell("display key", "publication number", "lens id")):
        return None
    date, priority = iso(line.get("publication date", "")), iso(line.get("earliest priority date", ""))
    lists = ("simple family members", "priority numbers", "ipcr classifications", "cpc classifications")
    return (
        *(number, cell("lens id"), [date] if date else [], priority, cell("application number")),
        *map(entries, lists),
        *(cell("title"), cell("abstract")),
    )


def together(records: list[tuple[Any, ...]]) -> set[frozenset[str]]:
    """Numbers of each family: by members where there are any, else by priorities without dates and own application."""
    families: dict[Any, set[str]] = {}
    for number, key, _, _, application, members, priorities, *_ in records:
        bare = {re.sub(r"(?<=[AWUDPF]) \d{8}$", "", one) for one in priorities}
        sign = tuple(members) or tuple(sorted(bare - {application} or bare)) or key
        families.setdefault(sign, set()).add(number)
    return set(map(frozenset, families.values()))


def renumbered(data: bytes, seed: int) -> bytes:
    """The file with the last three digits of every number exchanged, wherever it stands."""
    digits = "".join(random.Random(seed).sample("0123456789", 10))
    number = re.compile(r"(?<=\d)\d{3}(?=D? [A-Z]\d?(?:[;, \r\n]|$))")
    return number.sub(lambda hit: hit[0].translate(str.maketrans("0123456789", digits)), data.decode()).encode()


def test_works_are_no_patents(tmp_path: Path) -> None:
    (tmp_path / "works.csv").write_text(
        "Lens ID,Title,Date Published,Publication Year,Abstract\n1,t,2001-01-01,2001,a\n"
    )
    assert not lens.FORMAT.looks(Source(tmp_path / "works.csv"))


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
@pytest.mark.parametrize("name", FILES)
def test_second_reader(tmp_path: Path, name: str, seed: int | None) -> None:
    path = tmp_path / "export"
    path.write_bytes(BYTES[name] if seed is None else renumbered(BYTES[name], seed))
    right, raw = plain(path.read_bytes()), read(path)
    assert found(path) == right and (seed is None or path.read_bytes() != BYTES[name])
    families = {frozenset(family["publications"]): family for family in raw.families.to_dict("records")}
    assert families.keys() == together(right)
    for numbers, family in families.items():
        of = [record for record in right if record[0] in numbers]
        assert family["date"] == min((date for record in of for date in record[2]), default="")
        assert family["priority"] == min((record[3] for record in of if record[3]), default="")
        assert set(family["ipc"]) == {code for record in of for code in record[7]}
        assert set(family["cpc"]) == {code for record in of for code in record[8]}
        titles = {record[9] for record in of} - numbers
        assert ascii_only(family["title"]) in titles or not titles


def test_thirty_two_columns_without_members(tmp_path: Path) -> None:
    """With abstracts, as between the two headers; families are by priorities then."""
    header = [*ROWS["lens-2020.csv"][0][:12], "Abstract", *ROWS["lens-2020.csv"][0][12:]]
    rows = table(ROWS["lens-2023.csv"], KNOWN)
    same = {"Publication Number": "Display Key", "Type": "Document Type"}
    text = [header, *([line.get(same.get(name, name), "") for name in header] for line in rows)]
    path = tmp_path / "export"
    path.write_bytes(spell(text, random.Random(1)))
    raw, right = read(path), read(EXPORTS / "lens-2023.csv")
    assert len(header) == 32
    assert set(map(frozenset, raw.families["publications"])) == set(map(frozenset, right.families["publications"]))
    assert sorted(raw.families["abstract"]) == sorted(right.families["abstract"])


def test_columns_that_are_absent_are_absent_in_the_table(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_text("Lens ID,Kind,Jurisdiction,Title\n044-932-775-959-39X,A1,EP,Pump\n,,,\n,A1,EP,Valve\n")
    raw = read(path)
    assert raw.families["publications"].tolist() == [["044-932-775-959-39X"]]
    assert raw.families["title"].tolist() == ["Pump"] and raw.families["jurisdiction"].tolist() == ["EP"]
    assert raw.notes["records without a number, left out"] == "1, such as row 3"


@pytest.mark.parametrize("name", FILES)
def test_spreadsheet(tmp_path: Path, name: str) -> None:
    assert canonical(read(write_spreadsheet(ROWS[name], tmp_path / "x.dat"))) == WHOLE[name]


@examples
@given(st.sampled_from(FILES), st.integers(0, 1 << 32))
def test_other_spellings(tmp_path_factory: pytest.TempPathFactory, name: str, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path_factory.getbasetemp() / "lens-respelled"
    path.write_bytes(packed(spell(ROWS[name], chance, chance.choice(["", "Lens export; 31 patents"])), chance))
    assert canonical(read(path)) == WHOLE[name]


@examples
@given(st.sampled_from(FILES).flatmap(lambda name: st.tuples(st.just(name), cut(BYTES[name]))))
def test_cut_file_gives_its_whole_rows(tmp_path_factory: pytest.TempPathFactory, drawn: tuple[str, bytes]) -> None:
    name, data = drawn
    path = tmp_path_factory.getbasetemp() / "lens-cut"
    path.write_bytes(data)
    raw = outcome(path)
    if not isinstance(raw, str):
        records, whole = found(path), plain(BYTES[name])
        assert records == whole[: len(records)] and len(records) >= data.count(b"https://lens.org") - 1
        assert data.endswith((b"\n", b"\r")) or not {CUT_ROW, OPEN_END}.isdisjoint(raw.notes)


@examples
@given(st.sampled_from(FILES).flatmap(lambda name: damaged(BYTES[name])))
def test_damaged_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "lens-damaged"
    path.write_bytes(data)
    if not isinstance(outcome(path), str):
        assert found(path) == plain(data)


def test_lists_between_which_other_signs_stand(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_text(
        "Display Key,Simple Family Members,CPC Classifications,IPCR Classifications,Applicants\n"
        'EP 1 A1,1-1; 2-2,F04B1/02; A01B1/02,"F04B1/00\nA01B1/00",A; B;;C\nEP 2 A1,2-2;;1-1,F04B1/02 A01B1/04,,\n'
    )
    (family,) = read(path).families.to_dict("records")  # the Lens' own ids were not exported
    assert family["publications"] == ["EP 1 A1", "EP 2 A1"] and family["applicants"] == ["A; B", "C"]
    assert (family["ipc"], family["cpc"]) == (["F04B1/00", "A01B1/00"], ["F04B1/02", "A01B1/02", "A01B1/04"])


def test_archive_with_other_files_beside(tmp_path: Path) -> None:
    path = tmp_path / "x.dat"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README.txt", "The export, made, by hand\nof the Lens\n")
        archive.writestr("export/a.csv", BYTES["lens-2023.csv"])
    raw = read(path)
    assert row(raw) == RIGHT["lens-2023.csv"]
    assert raw.notes["files that are no part of the export, left out"] == "1, such as README.txt"


def test_spreadsheet_that_is_packed(tmp_path: Path) -> None:
    book, path = write_spreadsheet(ROWS["lens-2023.csv"], tmp_path / "a.xlsx"), tmp_path / "x.dat"
    path.write_bytes(gzip.compress(book.read_bytes(), 1))
    assert canonical(read(path)) == WHOLE["lens-2023.csv"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(book, "export.xlsx")
    assert canonical(read(path)) == WHOLE["lens-2023.csv"]


def test_utf_16_without_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "x.dat"
    path.write_bytes(BYTES["lens-2020.csv"].decode().encode("utf-16-le"))
    assert canonical(read(path)) == WHOLE["lens-2020.csv"]


def test_damaged_file_is_not_said_to_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"abc")[:4] + b"\xff" * 20)
    assert "damaged" in str(outcome(path))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "Lens ID")
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "password" in str(outcome(path))


def test_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    for data in (b"", b"\n \n", b"\xef\xbb\xbf"):
        path.write_bytes(data)
        assert outcome(path) == f"{path}: is empty; export or copy it again"
