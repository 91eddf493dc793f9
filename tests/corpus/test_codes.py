"""IPC and CPC codes in the forms that databases print, brought to one; what is none of them is none."""

from __future__ import annotations

import time

import pytest

from patent_embeddings.corpus import codes

SAME = [
    "A01B1/00", "A01B 1/00", "A 01 B 1/00", "A01B 1 / 00", "a01b1/00", "A01B-001/00", "A01B001/00", "A01B0001/00",
    "A01B1:00", "A01B1/00 (2006.01)", "A01B 1/00 [2006.01]", "A01B1/00 (EP,US)", "A01B1/00 2006.01",
    "A01B 1/00 (2006.01)i", "A01B 1/00 (2006.01)N",
    "A01B   1/00        20060101AFI20051008BHEP", "A01B 1/00 20060101 A I 20051008 B H EP", "A01B0001000000",
    "Int. Cl.7 A01B1/00", "INT.CL.5: A01B 1/00", "Int. Cl. A01B 1/00", "Int. Cl. (2006.01) A01B 1/00",
    "Int. Cl.⁷ A01B 1/00", "(51) Int. Cl. A01B 1/00", "Int.Cl.7A01B1/00", "IPC8: A01B 1/00", "IPC A01B1/00",
    "CPC: A01B1/00", "A01B\u00a01/00", "Ａ０１Ｂ１／００", " 'A01B1/00' ", "//A01B1/00", "A01B\n1/00",
]  # fmt: skip


@pytest.mark.parametrize("text", SAME)
def test_one_code_has_one_form(text: str) -> None:
    assert codes.parse(text) == "A01B1/00"


@pytest.mark.parametrize(
    ("text", "code"),
    [("A", "A"), ("a01", "A01"), ("A01G", "A01G"), ("A 01 G", "A01G"), ("G06F/", "G06F"), ("A01G (EP)", "A01G"),
     ("Y10T83/75", "Y10T83/75"), ("F21W2131/406", "F21W2131/406"), ("B29K2105/0005", "B29K2105/0005"),
     ("H01L0021336000", "H01L21/336"), ("G10K1117823", "G10K"), ("C05F-017/90", "C05F17/90"),
     ("H04L101/00", "H04L101/00")],
)  # fmt: skip
def test_what_a_code_says_is_kept(text: str, code: str) -> None:
    assert codes.parse(text) == code


@pytest.mark.parametrize(
    "text",
    ["", " ", "nan", "NA", "None", "[", "['A01B1/00'", "INT", "Int. Cl.7", "IPC", "A pump", "pump", "123/456",
     "D12/345", "Z99Z99/99", "01B1/00", "A01B1/0", "A01B0/00", "A01B1/00|G06F1/00", "A01B1/00, G06F1/00",
     "A01B1/00 G06F1/00", "A01B1/00\nG06F1/00", "A01B1/00;G06F1/00", "US6795884", "AA01B1/00"],
)  # fmt: skip
def test_what_is_no_code_is_none(text: str) -> None:
    assert codes.parse(text) is None


def test_a_hostile_text_takes_no_time() -> None:
    start = time.process_time()
    for text in (
        "A01B1/00" + " A" * 50_000 + "!",
        "A01B1/00" + " " * 100_000 + "x",
        "Int. Cl." + "." * 100_000,
        "A01B" + "0" * 190 + "x",
        "A01B1/00" + " ()" * 60 + "x",
    ):
        assert codes.parse(text) is None
    assert time.process_time() - start < 1


def test_prefixes_are_of_codes_alone() -> None:
    assert codes.prefixes(["nan", "['A", "[", "INT", "A 01 B 1/00", "A01C3/00", "Int. Cl.7 G06F 1/00", "H"], 3) == [
        "A01",
        "G06",
    ]
    assert codes.prefixes(["NAN", "None", "h"], 1) == ["H"]


def test_tags_of_section_y_are_no_domain() -> None:
    assert codes.classes(["Y02E10/50", "H02S20/00", "Y02E"]) == ["H02"]
    assert codes.scope(codes.classes(["Y02E10/50"]), ["H02"]) == "unknown"
