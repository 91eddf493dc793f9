"""The format `google-patents`, held against csv alone."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from harness import EXPORTS, canonical, cut, damaged, examples, outcome, read
from harness import spreadsheet as write_spreadsheet
from hypothesis import given
from hypothesis import strategies as st
from spelled import ascii_only, cells, iso, packed, spell, table

from patent_embeddings.corpus.formats import google_patents
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading.source import Source

FILE = EXPORTS / "google-patents.csv"
BYTES = FILE.read_bytes()
ROWS = cells(BYTES)
WHOLE = canonical(read(FILE))


def found(path: Path) -> list[tuple[Any, ...]]:
    """Number, title, dates and priority of each publication, as far as they are ASCII."""
    return [
        (ascii_only(one.numbers[0]), ascii_only("".join(text.text for text in one.title)), one.dates, one.priority)
        for one in google_patents.FORMAT.read(Source(path), Select())
    ]


def plain(data: bytes) -> list[tuple[Any, ...]]:
    records = []
    for line in table(cells(data), ROWS[1]):
        name = line.get("id", "").strip()
        linked = re.search(r"(?i)patents\.google\.com/patent/([A-Z]{2}[A-Z0-9]+)", line.get("result link", ""))
        if linked and name.replace("-", "") != linked[1].upper():
            parts = re.fullmatch("([A-Z]{2})-(.+)-([A-Z][0-9]?)", name)
            name = linked[1].upper()
            if parts and name.startswith(parts[1]) and name.endswith(parts[3]):
                name = f"{parts[1]}-{name[2 : -len(parts[3])]}-{parts[3]}"
        if name:
            date = iso(line.get("publication date", "") or line.get("grant date", ""))
            title, priority = ascii_only(line.get("title", "")), iso(line.get("priority date", ""))
            records.append((ascii_only(name), title, [date] if date else [], priority))
    return records


def renumbered(seed: int) -> bytes:
    """The file with the last digits of every number exchanged, in its name and in its link."""
    digits = "".join(random.Random(seed).sample("0123456789", 10))
    number = re.compile(r"(?<=\d)(\d{3})(?=(?:-?[ABSU]\d?\b))")
    return number.sub(lambda hit: hit[1].translate(str.maketrans("0123456789", digits)), BYTES.decode()).encode()


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_second_reader(tmp_path: Path, seed: int | None) -> None:
    path = tmp_path / "export"
    path.write_bytes(BYTES if seed is None else renumbered(seed))
    right, raw = plain(path.read_bytes()), read(path)
    assert found(path) == right
    together: dict[str, set[str]] = {}
    for number, *_ in right:
        together.setdefault(number.rsplit("-", 1)[0], set()).add(number)
    assert {frozenset(numbers) for numbers in raw.families["publications"]} == set(map(frozenset, together.values()))


@examples
@given(st.integers(0, 1 << 32))
def test_other_spellings(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    above = chance.choice(["", "search URL:,https://patents.google.com/?q=a;b"])
    path = tmp_path_factory.getbasetemp() / "google-respelled"
    path.write_bytes(packed(spell(ROWS[1:], chance, above), chance))
    assert canonical(read(path)) == WHOLE


def test_spreadsheet(tmp_path: Path) -> None:
    assert canonical(read(write_spreadsheet(ROWS, tmp_path / "list.xlsx"))) == WHOLE


@examples
@given(cut(BYTES))
def test_cut_file_gives_its_whole_rows(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "google-cut"
    path.write_bytes(data)
    raw = outcome(path)
    if not isinstance(raw, str):
        assert found(path) == plain(data)
        assert data.endswith(b"\n") or any("cut" in note for note in raw.notes)


@examples
@given(damaged(BYTES))
def test_damaged_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "google-damaged"
    path.write_bytes(data)
    if not isinstance(outcome(path), str):
        assert found(path) == plain(data)


@pytest.mark.parametrize(
    ("row", "number", "also"),
    [
        ("US-2021018501-A1,T,https://patents.google.com/patent/US20210018501A1/en", "US-20210018501-A1", 1),
        ("US-2021018501-A1,T,", "US-2021018501-A1", 0),
        (",T,https://patents.google.com/patent/US20210018501A1/en", "US20210018501A1", 0),
        ("WO-9808334-A1,T,https://patents.google.com/patent/WO9808334A1/en", "WO-9808334-A1", 0),
    ],
)
def test_number_is_that_of_the_link(tmp_path: Path, row: str, number: str, also: int) -> None:
    path = tmp_path / "one.csv"
    path.write_text(f"id,title,result link\n{row}\n", encoding="utf-8")
    (one,) = google_patents.FORMAT.read(Source(path), Select())
    assert (one.numbers, len(one.also)) == ([number], also)


def test_names_with_a_comma_in_them(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text('id,title,assignee,result link\nUS-1-A,T,"Miradrum, Inc., Sablewick Agro Llc",\n', encoding="utf-8")
    (one,) = google_patents.FORMAT.read(Source(path), Select())
    assert one.applicants == ["Miradrum, Inc.", "Sablewick Agro Llc"]


def test_says_that_there_is_nothing_to_score() -> None:
    assert all(word in google_patents.FORMAT.lacks for word in ("no citations", "judgements", "BigQuery", "Lens"))


def test_a_line_below_a_list_is_no_patent(tmp_path: Path) -> None:
    below = [["Downloaded from Google Patents on 2024-05-01", *[""] * (len(ROWS[1]) - 1)], ["Total", "", "30"]]
    raw = read(
        write_spreadsheet([*ROWS, *([*row, *[""] * (len(ROWS[1]) - len(row))] for row in below)], tmp_path / "x")
    )
    assert canonical(raw) == WHOLE
    assert raw.notes["rows of totals, left out"] == "1, such as row 32"
    assert raw.notes["records without a number, left out"].startswith("1, such as row 31 Downloaded from ")


def test_columns_that_were_left_out(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("id,title,assignee,inventor/author,publication date\nEP-1000001-A1,Pump,A,B,2001-03-06\n")
    assert read(path).families[["publication", "date"]].to_numpy().tolist() == [["EP-1000001-A1", "2001-03-06"]]
