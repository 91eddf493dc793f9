"""Selection: values of options are checked, conditions taken as said, and what refuses most is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.formats.selection import Select, select

PUMP = Publication("row 1", ["US-2013099542-A1"], dates=["2013-04-25"], ipc=["F04D 1/00"], cpc=["F04D29/22"])
VALVE = Publication("row 2", ["EP 1884901 B1"], dates=["2008-02-06", "2010-01-01"], family="V", ipc=["F16K1/00"])
LAMP = Publication("row 3", ["7271914"], jurisdiction="US", dates=[], key="001-002", cpc=["F21S10/00"])


def chosen(**conditions: object) -> list[str]:
    options = {"classes": "", "since": "", "until": "", "jurisdiction": "", "ids": None, "limit": 0, **conditions}
    return [one.place for one in select(**options).chosen([PUMP, VALVE, LAMP])]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("classes", "rows"),
    [
        ("F04", [1]), ("f04d", [1]), ("F04D1", [1]), ("F04D 29", [1]), ("F04D2", []), ("F04D29/22", [1]),
        ("F04D29/2", None), ("F16,F21S", [2, 3]), ("F", [1, 2, 3]), ("Z", None), ("A613", None), ("F04D29/22,x", None),
    ],
)  # fmt: skip
def test_a_code_is_selected_by_what_it_lies_under(classes: str, rows: list[int] | None) -> None:
    if rows is None:
        with pytest.raises(UserError, match=r"is no IPC or CPC class; write them like A61, H04L or H04L29"):
            chosen(classes=classes)
    else:
        assert chosen(classes=classes) == [f"row {number}" for number in rows]


def test_a_publication_is_in_a_span_by_one_of_its_dates() -> None:
    assert chosen(since="2009-01-01") == ["row 1", "row 2"]
    assert chosen(until="2008-02-06") == ["row 2"]
    assert chosen(since="2008-03-01", until="2009-12-31") == []
    assert chosen(since="2013-04-25", until="2013-04-25") == ["row 1"]


@pytest.mark.parametrize("value", ["2013", "2013-13-01", "20130425", "25.04.2013", "yesterday"])
@pytest.mark.parametrize("option", ["since", "until"])
def test_a_date_that_is_none_is_refused(option: str, value: str) -> None:
    with pytest.raises(UserError, match=rf"--{option} '{value}' is no date; write it as YYYY-MM-DD"):
        chosen(**{option: value})


def test_since_after_until_is_refused() -> None:
    with pytest.raises(UserError, match="--since 2014-01-01 is after --until 2013-01-01"):
        chosen(since="2014-01-01", until="2013-01-01")


def test_countries_are_those_of_publication() -> None:
    assert chosen(jurisdiction="us") == ["row 1", "row 3"]
    assert chosen(jurisdiction="EP, WO") == ["row 2"]
    with pytest.raises(UserError, match="'USA' is no country"):
        chosen(jurisdiction="USA")


def test_ids_are_read_in_any_spelling(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text('\ufeffUS 2013/0099542 A1\n\n"V"\n', encoding="utf-8")
    assert chosen(ids=file) == ["row 1", "row 2"]
    file.write_text("US7271914B2\n", encoding="utf-8")
    assert chosen(ids=file) == ["row 3"]
    file.write_text("001-002", encoding="utf-8")
    assert chosen(ids=file) == ["row 3"]
    file.write_text("\n", encoding="utf-8")
    with pytest.raises(UserError, match="has no id; write one a line"):
        chosen(ids=file)
    with pytest.raises(UserError, match=r"--ids .*none\.txt: cannot read"):
        chosen(ids=tmp_path / "none.txt")


def test_ids_that_nothing_has_are_counted_and_named(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("US 2013/0099542 A1\nEP9999999\nX1\nUS-2013099542-A1\n")
    one = select("", "", "", "", file, 0)
    assert len(list(one.chosen([PUMP, VALVE, LAMP]))) == 1
    assert one.unmet() == "2 of the 4 of ids.txt, such as 'EP9999999'"
    file.write_text("A1\n1.2E+05\n")
    one = select("", "", "", "", file, 0)
    list(one.chosen([PUMP]))
    assert one.unmet() == "2 of the 2 of ids.txt, such as '1.2E+05', which a spreadsheet rewrote"
    file.write_text("12E5")  # may be an id
    one = select("", "", "", "", file, 0)
    list(one.chosen([PUMP]))
    assert one.unmet() == "1 of the 1 of ids.txt, such as '12E5'"
    file.write_text("EP1;EP2")
    one = select("", "", "", "", file, 0)
    assert list(one.chosen([PUMP, VALVE, LAMP])) == []
    assert one.nothing().endswith("; ids of --ids that nothing here has: 1 of the 1 of ids.txt, such as 'EP1;EP2'")


def test_the_limit_is_of_what_is_selected() -> None:
    assert chosen(limit=2) == ["row 1", "row 2"]
    assert chosen(limit=1, jurisdiction="EP") == ["row 2"]


def test_what_refuses_most_is_named() -> None:
    one = select("B65", "", "", "EP", None, 0)
    assert list(one.chosen([PUMP, VALVE, LAMP])) == []
    assert one.nothing() == "none of 3 publications is selected; --class alone leaves out 3"


def test_what_was_asked_for_is_said_as_plain_values(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("V\nW\n")
    assert select("f04d 29", "2013-01-01", "", "us,ep", file, 7).said() == {
        "classes": ["F04D29"], "since": "2013-01-01", "jurisdictions": ["US", "EP"],
        "listed": "2 of ids.txt", "limit": 7,
    }  # fmt: skip
    assert Select().said() == {}


@pytest.mark.parametrize("asked", [{"classes": ","}, {"classes": " "}, {"jurisdiction": " , "}])
def test_an_option_that_names_nothing_is_a_slip_not_a_wish_for_all(asked: dict[str, str]) -> None:
    with pytest.raises(UserError, match="names nothing; write entries by commas, or leave it out"):
        chosen(**asked)
