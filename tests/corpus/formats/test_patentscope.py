"""The format `patentscope`, held against csv alone."""

from __future__ import annotations

import csv
import random
import re
from pathlib import Path
from typing import Any

import pytest
from harness import EXPORTS, canonical, cut, damaged, examples, outcome, read, row, spreadsheet
from hypothesis import given
from hypothesis import strategies as st
from spelled import ascii_only, cells, coded, iso, listed, packed, spell, table

from patent_embeddings.corpus.formats import patentscope
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading.source import Source
from patent_embeddings.corpus.reading.spreadsheet import PADDED

FILE = EXPORTS / "patentscope.csv"
BYTES = FILE.read_bytes()
ROWS = cells(BYTES, encoding="cp1252")
WHOLE = canonical(read(FILE))
LIST = ["Application Id", "Application Number", "Application Date", "Country", "Title", "Abstract", "I P C",
        "Applicants", "Inventors", "Priorities Data", "National Phase Entries", "Image"]  # fmt: skip


def publications(path: Path) -> list[Publication]:
    return list(patentscope.FORMAT.read(Source(path), Select()))


def found(path: Path) -> list[tuple[Any, ...]]:
    """Number, title, codes, dates and priority of each publication, as far as they are ASCII."""
    return [
        (
            *map(ascii_only, (one.numbers[0], "".join(text.text for text in one.title))),
            *([*map(ascii_only, texts)] for texts in (one.ipc, one.applicants)),
            one.dates,
            one.priority,
        )
        for one in publications(path)
    ]


def plain(data: bytes) -> list[tuple[Any, ...]]:
    records = []
    for line in table(cells(data, encoding="cp1252"), ROWS[0]):
        line = {name: "" if cell.strip() in ("NA", "-", "na", "Na") else cell.strip() for name, cell in line.items()}
        ipc, names = map(ascii_only, coded(line.get("IPC", ""))), map(ascii_only, listed(line.get("Applicants", "")))
        date = line.get("Publication Date", "")
        day = re.fullmatch(r"(\d\d?)\.(\d\d?)\.(\d{4})", date)
        date = iso(f"{day[3]}-{int(day[2]):02}-{int(day[1]):02}" if day else date)
        said = line.get("Priority Data", "")
        priorities = [
            *re.findall(r"\b(\d{4})-(\d\d?)-(\d\d?)(?=T|\b)", said),
            *(hit[::-1] for hit in re.findall(r"(?<![\d/])(\d\d?)\.(\d\d?)\.(\d{4})\b", said)),
            *re.findall(r"(?<=\b[A-Z]{2} )((?:19|20)\d\d)(\d\d)(\d\d)\b", said),
        ]
        earliest = min(filter(None, map(iso, map("-".join, priorities))), default="")
        if number := line.get("Publication Number", ""):
            title = ascii_only(line.get("Title", ""))
            records.append((ascii_only(number), title, [*ipc], [*names], [date] * bool(date), earliest))
    return records


def renumbered(seed: int) -> bytes:
    """The file with the digits of numbers and codes exchanged, but for those that say a year."""
    digits = "".join(random.Random(seed).sample("0123456789", 10))
    number = re.compile(rb"(?<=\d{4})(\d{3})(?=[,\r])")
    return number.sub(lambda hit: hit[1].decode().translate(str.maketrans("0123456789", digits)).encode(), BYTES)


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_second_reader(tmp_path: Path, seed: int | None) -> None:
    path = tmp_path / "export"
    path.write_bytes(BYTES if seed is None else renumbered(seed))
    right, raw = plain(path.read_bytes()), read(path)
    assert found(path) == right
    assert sorted(number for numbers in raw.families["publications"] for number in numbers) == sorted(
        number for number, *_ in right
    )


@examples
@given(st.integers(0, 1 << 32))
def test_other_spellings(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path_factory.getbasetemp() / "patentscope-respelled"
    path.write_bytes(packed(spell(ROWS, chance), chance))
    assert canonical(read(path)) == WHOLE


def test_spreadsheet(tmp_path: Path) -> None:
    above = [["Query: FP:(hearing protector)", "", ""], [""]]
    assert canonical(read(spreadsheet([*above, *ROWS], tmp_path / "list.xlsx", "ResultSet"))) == WHOLE


@examples
@given(cut(BYTES))
def test_cut_file_gives_its_whole_rows(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "patentscope-cut"
    path.write_bytes(data)
    raw = outcome(path)
    if not isinstance(raw, str):
        assert found(path) == plain(data)
        assert data.endswith(b"\r") or any("cut" in note for note in raw.notes)


@examples
@given(damaged(BYTES))
def test_damaged_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "patentscope-damaged"
    path.write_bytes(data)
    if not isinstance(outcome(path), str):
        assert found(path) == plain(data)


def result_set(path: Path, **cells: str) -> Publication:
    """The one row of a result set as the spreadsheet has it."""
    spreadsheet(
        [["Query", "FP:(hub)"], LIST, [cells.get(name.replace(" ", ""), "") for name in LIST]], path, "ResultSet"
    )
    assert patentscope.FORMAT.looks(Source(path))
    (one,) = publications(path)
    return one


def test_columns_of_the_spreadsheet(tmp_path: Path) -> None:
    one = result_set(
        tmp_path / "resultList.dat",
        ApplicationId="WO2015127563",
        Country="WO",
        Title="(EN) BICYCLE HUB (FR) MOYEU DE BICYCLETTE",
        Abstract="(EN) A hub. (FR) Un moyeu.",
        IPC="B60B 27/04; B62M 11/16",
        Applicants="MIRADRUM;LUMIGRAVE LLC",
        PrioritiesData="1450123 03.09.2012 FR; 61/123,456 12.03.2012 US",
    )
    assert one.numbers == ["WO2015127563"]
    assert [(text.language, text.text) for text in one.title] == [
        ("en", "BICYCLE HUB"), ("fr", "MOYEU DE BICYCLETTE"),
    ]  # fmt: skip
    assert [text.text for text in one.abstract] == ["A hub.", "Un moyeu."]
    assert one.ipc == ["B60B 27/04", "B62M 11/16"]
    assert (one.applicants, one.priority) == (["MIRADRUM", "LUMIGRAVE LLC"], "2012-03-12")


def test_old_spreadsheet() -> None:
    path = Path(__file__).with_name("patentscope.xls")
    assert row(read(path))["families"] == 3
    first, second, third = publications(path)
    assert (first.numbers, first.dates, first.ipc) == (["WO2015127563"], ["2015-07-16"], ["G01M 3/28"])
    assert (second.numbers, second.title, second.jurisdiction) == (["il161640"], [], "IL")
    assert (third.dates, third.priority) == (["2002-03-25"], "2000-09-09")


def test_zeros_that_an_old_spreadsheet_shows_are_said_to_be_lost(tmp_path: Path) -> None:
    data = Path(__file__).with_name("patentscope.xls").read_bytes()
    (tmp_path / "x.xls").write_bytes(data + b"\x1e\x04\x0b\0\xa4\0\x06\0\x00000000".ljust(512, b"\0"))
    raw = read(tmp_path / "x.xls")
    assert (
        raw.notes[PADDED] == "1, such as 000000"
        and PADDED not in read(Path(__file__).with_name("patentscope.xls")).notes
    )


def test_number_without_a_country_has_that_of_its_column(tmp_path: Path) -> None:
    one = result_set(tmp_path / "list.xlsx", ApplicationId="2015127563", Country="WO")
    assert (one.numbers, one.jurisdiction) == (["2015127563"], "WO")


@pytest.mark.parametrize(
    ("written", "date"),
    [
        ("25.03.2002", "2002-03-25"),
        ("2002-03-25", "2002-03-25"),
        ("2002-03-25T23:59:59.000Z", "2002-03-25"),
        ("37340", "2002-03-25"),  # as spreadsheets count days
        ("NA", ""),
        ("31.02.2002", ""),
    ],
)
def test_dates(tmp_path: Path, written: str, date: str) -> None:
    path = tmp_path / "one.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([ROWS[0], ["EP1", written, "T", "NA", "NA", "NA", "NA", "NA"]])
    source = Source(path)
    (one,) = patentscope.FORMAT.read(source, Select())
    assert one.dates == [date] * bool(date)
    assert ("dates that are none, left out" in source.report.counts) == (written == "31.02.2002")


@pytest.mark.parametrize("number", ["RE045678", "PP012345", "D0812345", "20150001234", "US7000001"])
def test_country_of_numbers_that_do_not_name_it(tmp_path: Path, number: str) -> None:
    path = tmp_path / "x.dat"
    path.write_text(f"Publication Number,Country,Title,I P C\n{number},US,Pump,F04B 1/00\n")
    (family,) = read(path).families.to_dict("records")
    assert family["jurisdiction"] == "US" and family["family_id"].startswith("US")


@pytest.mark.parametrize("between", ["; ", ";;", ", ", " ", "\n", " | ", "(2006.01)"])
def test_what_stands_between_codes(tmp_path: Path, between: str) -> None:
    path = tmp_path / "x.dat"
    path.write_text(f'Publication Number,Title,I P C\nEP1,Pump,"F04B 1/00{between}A01B 1/00"\n')
    assert read(path).families["ipc"].tolist() == [["F04B1/00", "A01B1/00"]]


def test_numbers_that_a_spreadsheet_rounded_are_no_family(tmp_path: Path) -> None:
    path = tmp_path / "x.dat"
    rows = "2.02E+10,US,Pump,\n2.02E+10,US,Valve,\nUS20150001234,US,Gate,\n"
    path.write_text(f"Publication Number,Country,Title,I P C\n{rows}")
    raw = read(path)
    assert raw.families["title"].tolist() == ["Gate"]
    assert raw.notes["publication numbers that a spreadsheet rounded, left out"] == "2, such as 2.02E+10 in row 1"
