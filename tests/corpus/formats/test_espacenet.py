"""The format `espacenet`, held against csv alone."""

from __future__ import annotations

import random
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from harness import EXPORTS, canonical, cut, damaged, examples, outcome, read
from harness import spreadsheet as write_spreadsheet
from hypothesis import given
from hypothesis import strategies as st
from spelled import ascii_only, cells, coded, iso, packed, spell, table

from patent_embeddings.corpus.formats import espacenet
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading.sheet import CUT_ROW, OPEN_END
from patent_embeddings.corpus.reading.source import Source

FILE = EXPORTS / "espacenet.csv"
BYTES = FILE.read_bytes()
ROWS = [line[:-1] for line in cells(BYTES, ";")]  # the last column is empty
ABOVE, HEADER, BELOW = ROWS[:6], ROWS[6], ROWS[7:]
WHOLE = canonical(read(FILE))
ENGLISH = ["No", "Title", "Inventors", "Applicants", "Publication number", "Earliest priority", "IPC", "CPC",
           "Publication date", "Earliest publication", "Family number"]  # fmt: skip
FRENCH = ["N°", "Titre", "Inventeurs", "Demandeurs", "Numéro de publication", "Priorité la plus ancienne", "CIB", "CPC",
          "Date de publication", "Première publication", "Numéro de famille"]  # fmt: skip


def found(path: Path) -> list[tuple[Any, ...]]:
    """What is read of each row, what is not ASCII aside."""
    return [
        (
            *([ascii_only(number) for number in one.numbers], sorted(set(one.dates)), one.priority),
            *("".join(ascii_only(text.text) for text in one.title), ascii_only(one.family)),
            *(sorted(set(map(ascii_only, codes))) for codes in (one.ipc, one.cpc)),
        )
        for one in espacenet.FORMAT.read(Source(path), Select())
    ]


def plain(data: bytes) -> list[tuple[Any, ...]]:
    below = data[max(0, data.find(b'"No";')) :]
    return [_plain({name.casefold(): text for name, text in line.items()}) for line in table(cells(below, ";"), HEADER)]


def _plain(line: dict[str, str]) -> tuple[Any, ...]:
    def cell(name: str) -> str:
        return line.get(name, "")

    dates = re.split(r"[\s;,]+", cell("veröffentlichungsdatum") + "\n" + cell("früheste veröffentlichung"))
    title = ascii_only(cell("titel"))
    codes = (list(map(ascii_only, coded(cell(name)))) for name in ("ipc", "cpc"))
    parts = re.split(r"[\r\n;,]+|(?<![A-Z]{2})\s+(?=[A-Z]{2}\s?[A-Z]{0,2}\d)", cell("veröffentlichungsnummer"))
    numbers = [ascii_only(one) for one in parts if one.strip()]
    return (
        *(list(dict.fromkeys(numbers)), sorted({iso(date) for date in dates} - {""}), iso(cell("früheste priorität"))),
        *("" if title == "Kein Titel verfgbar" else title, ascii_only(cell("familiennummer"))),
        *(sorted(set(entries)) for entries in codes),
    )


def renumbered(seed: int) -> bytes:
    """The file with the last three digits of every publication exchanged, and those of the families."""
    digits = str.maketrans("0123456789", "".join(random.Random(seed).sample("0123456789", 10)))
    number = re.compile(r'(?<=\d)\d{3}(?=[ABCU]\d?[ "\n])|(?<=")\d{9}(?=";)')
    return number.sub(lambda hit: hit[0].translate(digits), BYTES.decode()).encode()


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_second_reader(tmp_path: Path, seed: int | None) -> None:
    path = tmp_path / "export"
    path.write_bytes(BYTES if seed is None else renumbered(seed))
    right, raw = plain(path.read_bytes()), read(path)
    assert found(path) == right and (seed is None or path.read_bytes() != BYTES)
    families = {family["family_id"]: family for family in raw.families.to_dict("records")}
    assert families.keys() == {family for *_, family, _, _ in right}
    for numbers, dates, priority, title, name, ipc, cpc in right:
        family = families[name]
        assert (family["publications"], family["publication"]) == (numbers, numbers[0])
        assert (family["date"], family["priority"]) == (min(dates), priority)
        assert ascii_only(family["title"]) == title
        assert {*family["ipc"]} == {*ipc} and {*family["cpc"]} == {re.sub(r" \(.*\)", "", code) for code in cpc}


@pytest.mark.parametrize("spelling", ["csv", "decomposed", "lower", "cp1252", "utf-16", "xlsx"])
@pytest.mark.parametrize(
    ("header", "nothing"),
    [(HEADER, "Kein Titel verfügbar"), (ENGLISH, "No title available"), (FRENCH, "Aucun titre disponible")],
)
def test_each_interface_language(tmp_path: Path, header: list[str], nothing: str, spelling: str) -> None:
    path = tmp_path / "x.dat"
    rows = [
        [nothing if place == 1 and cell == "Kein Titel verfügbar" else cell for place, cell in enumerate(line)]
        for line in BELOW
    ]
    if spelling == "xlsx":
        write_spreadsheet([*ABOVE, header, *rows], path)
    else:
        how = {"lower": str.lower, "decomposed": lambda name: unicodedata.normalize("NFD", name)}.get(spelling, str)
        data = spell([[*map(how, header)], *rows], random.Random(3), "Espacenet", ";")
        encoding = spelling if spelling in ("cp1252", "utf-16") else "utf-8"
        path.write_bytes(data.decode("utf-8-sig").encode(encoding))
    raw = read(path)
    assert canonical(raw) == WHOLE
    assert raw.notes["title: placeholders, read as empty"] == f"2, such as {nothing}"


@pytest.mark.parametrize(
    "title",
    ["[No title available]", "Titre non disponible", "no title available.", "NA", "-", "(Title not available)",
     "Kein Titel vorhanden", "Kein Titel verfÃ¼gbar"],
)  # fmt: skip
def test_placeholders_are_no_titles(tmp_path: Path, title: str) -> None:
    path = tmp_path / "export"
    path.write_text(f"Title;Publication number;Family number\n{title};EP1A1;7\nPump;EP2A1;8\n")
    assert read(path).families["title"].tolist() == ["", "Pump"]


@pytest.mark.parametrize(
    "date",
    ["2003-04-25 00:00:00", "2003-04-25T00:00:00Z", "25.04.2003 0:00", "25.04.2003 9:05:10", "4/25/2003 12:00:00 AM",
     "4/25/2003 1:30 pm", "4/25/2003 1:30PM", "25/04/2003 12:00 a.m.", "25 Apr 2003 0:00"],
)  # fmt: skip
def test_times_behind_dates_are_no_dates(tmp_path: Path, date: str) -> None:
    path = tmp_path / "export"
    path.write_text(f"Title;Publication number;Publication date;Family number\nPump;EP2A1;{date};8\n")
    raw = read(path)
    assert raw.families["date"].tolist() == ["2003-04-25"] and not any("dates" in note for note in raw.notes)


def test_lists_that_went_through_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "export"
    head = "Title,Publication number,Publication date,IPC,CPC,Applicants,Family number\n"
    path.write_text(f"{head}Pump,EP1A1 EP1B1,2001-01-02 2003-04-05,F04B1/00 A01B1/02,F04B1/02 (EP) A01B1/02 (EP),A,7\n")
    (family,) = read(path).families.to_dict("records")
    assert family["publications"] == ["EP1A1", "EP1B1"] and family["date"] == "2001-01-02"
    assert (family["ipc"], family["cpc"]) == (["F04B1/00", "A01B1/02"], ["F04B1/02", "A01B1/02"])
    path.write_text(f"{head}Pump,EP1A1; EP1B1,2001-01-02,F04B1/00; A01B1/02,,B & C [DE]; D [FR],7\n")
    (family,) = read(path).families.to_dict("records")
    assert family["publications"] == ["EP1A1", "EP1B1"] and family["applicants"] == ["B & C", "D"]


def test_columns_that_are_absent_are_absent_in_the_table(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_text("Publication number;Title;Earliest priority\nEP1A1;Pump;\n;Valve;2001-02-03\nEP1B1;Pump;\n")
    raw = read(path)
    assert raw.families["publications"].tolist() == [["EP1A1", "EP1B1"]] and raw.families["date"].tolist() == [""]
    assert raw.notes["records without a number, left out"] == "1, such as row 2"


@examples
@given(st.integers(0, 1 << 32))
def test_other_spellings(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path_factory.getbasetemp() / "espacenet-respelled"
    path.write_bytes(packed(spell(ROWS[6:], chance, chance.choice(["", '"Espacenet";"";'])), chance))
    assert canonical(read(path)) == WHOLE


@examples
@given(cut(BYTES))
def test_cut_file_gives_its_whole_rows(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "espacenet-cut"
    path.write_bytes(data)
    raw = outcome(path)
    if not isinstance(raw, str):
        records, whole = found(path), plain(BYTES)
        assert records == whole[: len(records)] and len(records) >= data.count(b'";\n"') - 8
        assert data.endswith((b"\n", b'";')) or not {CUT_ROW, OPEN_END}.isdisjoint(raw.notes)


@examples
@given(damaged(BYTES))
def test_damaged_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "espacenet-damaged"
    path.write_bytes(data)
    if not isinstance(outcome(path), str):
        assert found(path) == plain(data)


def test_numbers_with_blanks_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "export"
    numbers = "US 7000001 B2 \nEP 1000001 A1 WO2001000001A1, US 2001/0000001 A1\nUS RE45678 E"
    path.write_text(f'Title;Publication number;Family number\nPump;"{numbers}";7\n')
    (family,) = read(path).families.to_dict("records")
    assert family["publications"] == [
        "US 7000001 B2", "EP 1000001 A1", "WO2001000001A1", "US 2001/0000001 A1", "US RE45678 E",
    ]  # fmt: skip


def test_family_numbers_that_went_through_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "export"
    names = ['"=""003276542"""', "3276542", "3276542.0", "003276542", "3.28E+06", "3,28E+06", "3.28E+06"]
    rows = "".join(f"Pump;EP{place}A1;{name}\n" for place, name in enumerate(names, start=1))
    path.write_text(f"Title;Publication number;Family number\n{rows}")
    raw = read(path)
    assert raw.families["publications"].map(len).tolist() == [4, 1, 1, 1]
    assert raw.notes["family numbers that a spreadsheet rounded, left out"] == "3, such as 3.28E+06"
