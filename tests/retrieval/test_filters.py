"""Filters choose among families that are made by hand, whose answers are read off them."""

from __future__ import annotations

import re

import pytest

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.families import frame
from patent_embeddings.retrieval.filters import filters, mask

FAMILIES = frame(
    [
        {"family_id": "a", "ipc": ["A61K31/00"], "date": "2010-05-01", "priority": "2008-01-01", "jurisdiction": "EP",
         "applicants": ["SIEMENS  Healthcare GmbH", "Kern & Söhne"], "publications": ["EP1000001A1", "US7000001B2"]},
        {"family_id": "b", "cpc": ["A61K38/02"], "date": "2008-06-01", "jurisdiction": "US", "applicants": ["Sie"]},
        {"family_id": "c", "ipc": ["A61K310/00"], "date": "2009-01-01", "priority": "2007-12-31",
         "jurisdiction": "us", "applicants": ["Hewlett-Packard Co."]},
        {"family_id": "d", "ipc": ["A63B21/00"], "jurisdiction": ""},
    ]
)  # fmt: skip


def passing(before: str = "", classes: str = "", jurisdiction: str = "", strangers: tuple[str, ...] = ()) -> str:
    found, _ = mask(filters(before, classes, jurisdiction, strangers), FAMILIES, "alpha")
    assert found is not None
    return "".join(FAMILIES["family_id"][found])


@pytest.mark.parametrize(
    ("classes", "wanted"),
    [("A61", "abc"), ("A6", None), ("A61K31", "a"), ("a61k", "abc"), ("A61K31,A63", "ad"), ("A61K31/00", "a"),
     ("A", "abcd"), ("A61K3", None), ("A61K38", "b"), ("H04", None)],
)  # fmt: skip
def test_a_class_is_a_code_or_what_lies_under_it(classes: str, wanted: str | None) -> None:
    if wanted is None:
        with pytest.raises(UserError, match=r"no family of 'alpha' passes|is no IPC or CPC class"):
            passing(classes=classes)
    else:
        assert passing(classes=classes) == wanted


@pytest.mark.parametrize(
    ("day", "wanted", "said"),
    [("2008-01-02", "ac", "2 by their priority, 0 by their publication"), ("2008-01-01", "c", "1 by their priority"),
     ("2020-01-01", "abc", "2 by their priority, 1 by their publication"), ("2008-06-01", "ac", ""),
     ("2008-06-02", "abc", "")],
)  # fmt: skip
def test_before_looks_at_the_priority_else_the_publication(day: str, wanted: str, said: str) -> None:
    assert passing(before=day) == wanted
    _, (line,) = mask(filters(day, "", "", ()), FAMILIES, "alpha")
    assert said in line and line.endswith("1 of unknown dates are left out")


def test_countries_are_those_of_all_members() -> None:
    assert passing(jurisdiction="US") == "abc"
    assert passing(jurisdiction="ep,DE") == "a"
    numbers = frame([{"family_id": "a", "publications": ["2970120"]}, {"family_id": "b", "publications": ["EP1A1"]}])
    _, (line,) = mask(filters("", "", "EP", ()), numbers, "alpha")
    assert line.endswith("1 of unknown countries are left out")


@pytest.mark.parametrize(
    ("names", "wanted"),
    [(("siemens",), "bcd"), (("SIEMENS healthcare",), "bcd"), (("sie",), "acd"), (("siemens health",), "abcd"),
     (("hewlett packard, kern SÖHNE",), "bd"), (("Siemens", "Hewlett  Packard"), "bd")],
)  # fmt: skip
def test_applicants_are_told_by_whole_words(names: tuple[str, ...], wanted: str) -> None:
    """Case, blanks and signs do not count; who is unknown stays."""
    assert passing(strangers=names) == wanted
    _, (line,) = mask(filters("", "", "", names), FAMILIES, "alpha")
    assert line.endswith("1 of unknown applicants are left in")


def test_filters_are_joined_and_each_says_what_it_does() -> None:
    assert passing(classes="A61", jurisdiction="US", before="2008-01-02") == "ac"
    asked = filters("2008-01-02", "A61", "US", ["Sie"])
    assert asked.said() == {
        "before": "2008-01-02", "class": ["A61"], "jurisdiction": ["US"], "not-applicant": ["sie"]
    }  # fmt: skip
    _, lines = mask(asked, FAMILIES, "alpha")
    assert [re.sub(r"[,;].*", "", line) for line in lines] == [
        "--before: 2 of 4 families pass", "--class: 3 of 4 families pass", "--jurisdiction: 3 of 4 families pass",
        "--not-applicant: 3 of 4 families pass",
    ]  # fmt: skip
    assert mask(filters("", "", "", ()), FAMILIES, "alpha") == (None, [])


def test_what_a_landscape_does_not_know_is_said() -> None:
    bare = frame([{"family_id": "a"}, {"family_id": "b"}])
    for asked, what in (
        (filters("2010-01-01", "", "", ()), "--before: landscape 'alpha' knows no dates"),
        (filters("", "A61", "", ()), "--class: landscape 'alpha' knows no codes"),
        (filters("", "", "EP", ()), "--jurisdiction: landscape 'alpha' knows no countries"),
        (filters("", "", "", ("Sie",)), "--not-applicant: landscape 'alpha' knows no applicants"),
    ):
        with pytest.raises(UserError, match=what):
            mask(asked, bare, "alpha")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("1.5.2019", "", "", ()), "--before '1.5.2019' is no date; write it as YYYY-MM-DD"),
        (("20190501", "", "", ()), "--before '20190501' is no date"),
        (("", "61A", "", ()), "--class '61A' is no IPC or CPC class"),
        (("", "", "Europe", ()), "--jurisdiction 'Europe' is no country"),
        (("", "", "", ("--",)), "--not-applicant '--' has neither letter nor digit"),
    ],
)
def test_a_value_that_is_none_is_one_line(options: tuple[str, str, str, tuple[str, ...]], said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        filters(*options)
