"""Numbers of publications: every spelling of one is one form, and two numbers are two."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patent_embeddings.corpus.publication_numbers import bare, marked, owners

# Form -> spellings of it, as databases, offices and people write them.
SAME = {
    "US20130099542": "US-2013099542-A1 | US 2013/0099542 A1 | US20130099542A1 | US2013099542 | us 2013/0,099,542",
    "US20090330244": "US2009330244-A1 | US20090330244-A1 | US 2009/0330244 | US 2009/330244 A1",
    "US20100000123": "US-2010000123-A1 | US 2010/0000123 A1 | US 2010/123",
    "US7271914": "US7271914 B2 | US 7,271,914 B2 | US07271914 | US-7271914-B2 | US 7 271 914 | US-B2-7271914",
    "US2005123": "US 2,005,123 | US2005123A",
    "USD689328": "USD689328 | US D0689328 | US-D689328-S | USD689328S1 | US D689,328 S",
    "USD743557": "US D0743557 | USD743557S1",
    "USRE40000": "USRE040000 | USRE40000E1 | US-RE40000-E | US RE40,000 E",
    "USPP12345": "US PP12,345 P3 | USPP012345P2 | US-PP12345-P2",
    "USH1234": "US H1234 H | USH001234",
    "UST100001": "US T100001 | UST0100001",
    "WO1999060605": "WO 99/60605 | WO-9960605-A1 | WO 1999/060605 | WO199960605 | WO 99/060605 A2 | WO1999060605",
    "WO1998008334": "WO 98/08334 | WO-9808334-A1 | WO1998008334 | WO 98/8334",
    "WO2006173856": "WO 2006/173856 | WO-2006173856-A1 | WO2006173856A1 | WO 06/173856 | WO06173856 A1",
    "WO2020123456": "WO 2020/123456 | WO 20/123456",
    "WO20011234": "WO20011234",
    "WO2002082709": "WO 02/082709 | WO 2002/082709 A1 | WO 02/82709 | WO-02082709-A1 | WO-0282709-A1",
    "EP1884901": "EP 1 884 901 | EP-1884901-B1 | EP1884901 | EP-A-1884901 | EP-A1-1 884 901 | EP1884901A2",
    "EP123456": "EP 0 123 456 A1 | EP-0123456-B1 | EP123456",
    "JP2005039813": "JP 2005-039813 | JP-2005039813-A | JP 2005-39813 | JP2005039813",
    "JPH10123456": "JP-H10123456-A | JP H10-123456 | JPH10123456A | JP-A-H10-123456 | JP10123456A | JP 10-123456",
    "JPT2000500001": "JP T2000-500001 | JPT2000500001A",
    "JPH0812345": "JP H08-12345 | JP-H0812345-A | JP 8-12345 A | JP08012345 | JP H8-012345 | JP 08/012345",
    "JPS5812345": "JP-S5812345-U | JP S58-12345 | JP 58-12345 | JP-A-58-12345 | JP58012345 A",
    "JP15123456": "JP 15-123456",
    "JP5123456": "JP 5123456 B2 | JP-5123456-B2 | JP 5 123 456",
    "KR19980054837": "KR 10-1998-0054837 | KR19980054837 | KR-19980054837-A | kr10-1998-0054837 | KR 10-1998-54837",
    "KR100512345": "kr100512345 | KR 10-0512345 B1 | KR-100512345-B1",
    "DE102009047716": "DE 10 2009 047 716 | DE102009047716A1 | DE-102009047716-B4",
    "DE19912345": "DE 199 12 345 C2 | DE-19912345-A1",
    "DE3123456": "DE-OS 3123456 | DE-PS 31 23 456 | DE 3123456 A1",
    "ZA200807972": "za2008/07972 | ZA200807972B | ZA-200807972-B | ZA 2008/7972",
    "CA2284890": "CA2284890 | CA-2284890-C | CA 2284890 AA | CA 2,284,890 A1",
    "CN106881857": "CN-106881857-A | CN106881857B | CN 106881857",
    "TWI123456": "TW I123456 B | TWI123456",
    "ATE123456": "AT E123456 T1 | AT-E123456-T1 | ATE0123456",
    "MXPAA2005001234": "mxPA/a/2005/001234 | MXPA/A/2005/001234",
    "BRPI512345": "BR-PI0512345-A2 | BRPI0512345",
}


@pytest.mark.parametrize("form", SAME)
def test_every_spelling_of_a_number_is_one_form(form: str) -> None:
    assert {spelling: bare(spelling) for spelling in SAME[form].split(" | ")} == dict.fromkeys(
        SAME[form].split(" | "), form
    )
    assert bare(form) == form


def test_two_numbers_are_two() -> None:
    assert len({bare(spelling) for spellings in SAME.values() for spelling in spellings.split(" | ")}) == len(SAME)


def test_a_number_without_a_country_takes_the_one_that_is_given() -> None:
    given_ = {
        "D689328": "USD689328",
        "RE040000": "USRE40000",
        "10664037": "US10664037",
        "2005/0349109": "US20050349109",
    }
    assert {number: bare(number, "US") for number in given_} == given_
    assert bare("WO 99/60605", "US") == "WO1999060605" and bare("H10-123456", "jp") == "JPH10123456"
    assert bare("10664037") == "10664037"


def test_series_with_the_same_numbers_are_told_by_the_kind_code() -> None:
    spelled = {"JP S58-12345 U": "JPS5812345U", "JP-Y2-S58-12345": "JPS5812345Y", "JP S58-12345": "JPS5812345",
               "KR 20-1998-0054837 Y1": "KR19980054837U", "KR-100512345-B1": "KR100512345A", "EP-1-A1": "EP1",
               "JP 2005-039813": "JP2005039813", "US-PP12345-P2": "USPP12345"}  # fmt: skip
    assert {one: marked(one) for one in spelled} == spelled
    assert marked("S58-12345 U", "jp") == "JPS5812345U"
    found = owners([("1", ["JP-S5812345-A"]), ("2", ["JP-S5812345-U"]), ("3", ["JP 7-12345"]), ("4", ["EP-1-A1"])])
    assert {one: found.get(marked(one)) for one in ("JP S58-12345 A", "JP S58-12345 U", "JP S58-12345 B")} == {
        "JP S58-12345 A": "1", "JP S58-12345 U": "2", "JP S58-12345 B": None
    }  # fmt: skip
    assert found["JPS5812345"] == "" and found["JPH0712345B"] == "3" and found["EP1"] == "4"


def test_what_is_no_number_is_none() -> None:
    assert {
        bare(text) for text in ("", "  ", "NA", "none", "US", "A pump with a valve", "9" * 61, "Exported on 2024-05-01")
    } == {""}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=70))
def test_any_text_has_one_form_that_stays(text: str) -> None:
    form = bare(text)
    assert form == bare(text.swapcase()) or not text.isascii()
    assert not text.isascii() or bare(f" {text} ") == form or len(text) > 57


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["EP", "DE", "CN", "GB", "FR"]), st.integers(1, 10**12), st.sampled_from(["", "A1", "B", "C2"]),
    st.integers(0, 3), st.sampled_from(["", " ", "-", "/", "."]),
)  # fmt: skip
def test_signs_padding_and_kind_are_no_part_of_a_number(
    office: str, number: int, kind: str, padding: int, sign: str
) -> None:
    assert bare(f"{office}{sign}{'0' * padding}{number}{sign}{kind}") == f"{office}{number}"


def test_a_million_citations_take_seconds() -> None:
    spelled = [f"US-{number}-B2" for number in range(7_000_000, 7_020_000)]
    start = time.process_time()
    assert len({bare(one) for one in itertools.chain(spelled, spelled)}) == 20_000
    assert time.process_time() - start < 2
