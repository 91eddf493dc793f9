"""Dates in other forms than ISO, and in which order their parts are."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import read

from patent_embeddings.corpus.formats.dates import iso, ordered
from patent_embeddings.corpus.reading.source import Report


@pytest.mark.parametrize(
    "text",
    ["2000-03-06", "2000-3-6", "2000/3/6", "2000. 3. 6.", "20000306", "6.3.2000", "06.03.2000", "06 Mar 2000",
     "6-Mar-2000", "6. März 2000", "6 mars 2000", "March 6, 2000", "MAR 6 2000", "2000-03-06T00:00:00.000Z",
     "2000-03-06 12:00:00", "6.3.2000 00:00", "36591", "36591.5"],
)  # fmt: skip
def test_forms_of_one_day(text: str) -> None:
    assert iso(text, Report()) == "2000-03-06"


@pytest.mark.parametrize("text", ["25/03/2000", "3/25/2000", "25-03-2000 10:00"])
def test_order_that_a_date_says_itself(text: str) -> None:
    assert iso(text, Report()) == "2000-03-25"
    assert iso("3/3/2000", Report()) == "2000-03-03"


def test_june_is_not_july() -> None:
    assert [iso(text, Report()) for text in ("1 juin 2000", "1 juil. 2000", "1 Jul 2000")] == [
        "2000-06-01", "2000-07-01", "2000-07-01",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["2000", "2000-03", "2000-13-01", "31/13/2000", "6 Foo 2000", "0", "Jan 06", "26.06", "1.2.3", "Jan 6, 206"]
)
def test_no_dates_are_counted(text: str) -> None:
    report = Report()
    assert iso(text, report) == ""
    assert report.notes() == {"dates that are none, left out": f"1, such as {text}"}


@pytest.mark.parametrize(
    "text",
    ["6-Mar-00", "1/26/06", "26.01.06", "26-Jan-06", "26-1-06 00:00", "Jan 26, 06", "26. 3. 06", "26. Jan 06",
     "26 March, 06", "26. März 06 0:00", "26 1 06", "Jan. 26, '06"],
)  # fmt: skip
def test_years_of_two_digits_are_counted_by_themselves(text: str) -> None:
    report = Report()
    assert iso(text, report) == ""
    assert report.notes() == {
        "dates whose year has two digits, left out as nothing says the century": f"1, such as {text}"
    }


def test_what_may_be_exchanged_is_counted_by_itself() -> None:
    report = Report()
    assert iso("06/03/2000", report) == ""
    (said,) = report.notes()
    assert said == "dates whose day and month may be exchanged, left out as nothing says which is first"


@pytest.mark.parametrize(
    ("cells", "right"),
    [
        (["06/03/2000", "2001-01-01", "25/03/2000"], ["2000-03-06", "2001-01-01", "2000-03-25"]),
        (["06/03/2000", "03/25/2000"], ["2000-06-03", "2000-03-25"]),
        (["06/03/2000", "25/03/2000", "03/25/2000"], ["", "2000-03-25", "2000-03-25"]),
        (["06/03/2000", "03/03/2000", "31/31/2000"], ["", "2000-03-03", ""]),
    ],
)
def test_order_is_that_of_the_table(cells: list[str], right: list[str]) -> None:
    rows = [(f"row {place}", {"date": cell, "title": cell}) for place, cell in enumerate(cells, start=1)]
    found = list(ordered(iter(rows), ["date", "other"]))
    assert [iso(row["date"], Report()) for _, row in found] == right
    assert [row["title"] for _, row in found] == cells and [place for place, _ in found] == [place for place, _ in rows]


def test_every_format_asks_its_table(tmp_path: Path) -> None:
    path = tmp_path / "x.dat"
    for text in (
        "Lens ID,Kind,Display Key,Publication Date\n1,A,EP 1 A1,06/03/2000\n2,A,EP 2 A1,25/03/2000\n",
        "Title;Publication number;Publication date;Family number\nPump;EP1A1;06/03/2000 07/03/2000;1\n"
        "Pump;EP2A1;25/03/2000;2\n",
        "id,title,publication date,result link\nEP-1-A1,Pump,06/03/2000,\nEP-2-A1,Pump,25/03/2000,\n",
        "Publication Number,Title,Publication Date,Priority Data\nEP1,Pump,06/03/2000,\nEP2,Pump,07/03/2000,"
        "[61388074 25/02/2000 US]\n",
    ):
        path.write_text(text)
        assert min(read(path).families["date"]) == "2000-03-06"
