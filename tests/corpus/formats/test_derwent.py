"""The format `derwent`, held against a second reader made of regular expressions."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from harness import (
    EXPORTS,
    RIGHT,
    canonical,
    cut,
    damaged,
    examples,
    folded,
    outcome,
    packed,
    read,
    spreadsheet,
)
from hypothesis import given
from hypothesis import strategies as st
from spelled import iso

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus import formats
from patent_embeddings.corpus.families import checked
from patent_embeddings.corpus.formats import derwent
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading.source import Source

FILE = EXPORTS / "derwent.ciw"
BYTES = FILE.read_bytes()
WHOLE = canonical(read(FILE))
RECORDS = [part + "\nER\n" for part in re.split(r"\nER\n\n", BYTES.decode("utf-8-sig").partition("VR 1.0\n")[2])[:-1]]
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def publications(path: Path) -> list[Publication]:
    return list(derwent.read(Source(path), Select()))


def plain(data: bytes) -> list[dict[str, Any]]:
    """What each whole record says; what is not ASCII is not understood."""
    text = re.sub(r"\r\n|\r", "\n", data.decode("ascii", "replace"))
    found = []
    for block in re.split(r"(?m)^ER\s*$", text)[:-1]:
        fields: dict[str, list[str]] = {}
        tag = ""
        for line in map(str.rstrip, block.split("\n")):
            if begun := re.match(r"([A-Z]{2})([ \t]+|$)", line):
                tag = begun[1]
                if tag == "EF" or (tag in ("PT", "PN") and "PN" in fields):
                    fields = {}
                fields.setdefault(tag, []).append(line[begun.end() :])
            elif line and fields:
                fields[tag].append(line)
        if record := said(fields):
            found.append(record)
    return found


def said(fields: dict[str, list[str]]) -> dict[str, Any] | None:
    def entries(tag: str) -> list[str]:
        return [entry.strip() for entry in ";".join(fields.get(tag, [])).split(";") if entry.strip()]

    def cited(tag: str) -> list[str]:
        lines = [line for line in fields.get(tag, []) if line.strip()]
        deep = [bool(re.match(r"\s{4}", line)) for line in lines] + [False]
        alone = [" " not in line.strip() and "\t" not in line.strip() for line in lines]
        own = [line.strip() in entries("PN") for line in lines]
        heads = [a and not d and (n or o) for a, d, n, o in zip(alone, deep, deep[1:], own, strict=False)]
        return [line.strip() for line, head in zip(lines, heads, strict=True) if not head]

    published = [line.split()[0] for line in fields.get("PD", []) if re.match(r"\s*[A-Z]{2}\S*\d", line)]
    dates = [re.search(r"\b(\d{1,2})[ -]([A-Za-z]{3})[ -](\d{4})\b", line) for line in fields.get("PD", [])]
    days = [(d[3], d[2].title(), int(d[1])) for d in dates if d]
    known = [iso(f"{year}-{MONTHS.index(month) + 1:02}-{day:02}") for year, month, day in days if month in MONTHS]
    record = {
        "numbers": list(dict.fromkeys(entries("PN") or published)),
        "family": "".join("".join(entries("GA")[:1] or entries("UT")[:1]).removeprefix("DIIDW:").split()[:1]),
        "title": folded(" ".join(fields.get("TI", []))),
        "abstract": folded(" ".join(fields.get("AB", []))),
        "ipc": entries("IP"),
        "date": min(filter(None, known), default=""),
        "cites": [line.split()[0] for line in cited("CP") if re.match(r"[A-Z]{2}\S*\d", line)],
        "literature": len(set(cited("CR"))),
        "applicants": len(entries("AE")),
    }
    return record if record["numbers"] else None


def as_plain(one: Publication) -> dict[str, Any]:
    return {
        "numbers": one.numbers,
        "family": one.family,
        "title": folded("".join(text.text for text in one.title)),
        "abstract": folded("".join(text.text for text in one.abstract)),
        "ipc": one.ipc,
        "date": min(one.dates, default=""),
        "cites": [citation.number for citation in one.cites],
        "literature": one.literature,
        "applicants": len(one.applicants),
    }


def in_ascii(records: list[dict[str, Any]]) -> str:
    return json.dumps(records, ensure_ascii=False).encode("ascii", "ignore").decode()


def bare(number: str) -> tuple[str, str, str]:
    """Country and digits, a US application with seven digits behind the year."""
    country, digits = re.match(r"([A-Z]{2})0*(\d+)", number).groups()  # type: ignore[union-attr]
    if country == "US" and len(digits) in (10, 11) and digits[:2] == "20":
        return country, digits[:4], digits[4:].lstrip("0")
    return country, "", digits


def renumbered(seed: int) -> bytes:
    """The file with the last digits of every number of a publication exchanged, alike everywhere."""
    digits = random.Random(seed).sample("0123456789", 10)
    exchange = str.maketrans("0123456789", "".join(digits))
    number = re.compile(r"([A-Z]{2}\d+)(\d{3})(?=-[A-Z]\d?\b)")
    return number.sub(lambda found: found[1] + found[2].translate(exchange), BYTES.decode()).encode()


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_second_reader(tmp_path: Path, seed: int | None) -> None:
    path = tmp_path / "export"
    path.write_bytes(BYTES if seed is None else renumbered(seed))
    right, raw = plain(path.read_bytes()), read(path)
    assert list(map(as_plain, publications(path))) == right
    owner = {bare(number): record["family"] for record in right for number in record["numbers"]}
    cited = {(record["family"], owner.get(bare(number))) for record in right for number in record["cites"]}
    pairs = {(citing, found) for citing, found in cited if found and found != citing}
    assert set(zip(raw.citations["citing_id"], raw.citations["cited_id"], strict=True)) == pairs
    families = raw.families.set_index("family_id")
    assert {name: list(numbers) for name, numbers in families["publications"].items()} == {
        record["family"]: record["numbers"] for record in right
    }
    assert dict(families["date"]) == {record["family"]: record["date"] for record in right}


@st.composite
def respelled(draw: st.DrawFn) -> bytes:
    """Records and their fields in another order, one of them unknown, the numbers one a line."""
    chance, records = random.Random(draw(st.integers(0, 1 << 32))), []
    for record in chance.sample(RECORDS, len(RECORDS)):
        first, *others = re.split(r"\n(?=[A-Z]{2} )", record.removesuffix("\nER\n"))
        others.append(chance.choice(["ZZ something   new\n   and more", "MN 1; 2", "FS ;"]))
        text = "\n".join([first, *chance.sample(others, len(others)), "ER", ""])
        if chance.random() < 0.5:
            text = re.sub(r"(?m)^PN .*", lambda found: found[0].replace("; ", "\n   "), text)
        records.append(text)
    text = "FN Clarivate Analytics Web of Science\nVR 1.0\n" + "\n".join(records) + "\nEF"
    return draw(packed(text.encode()))


@examples
@given(respelled())
def test_other_spellings(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "derwent-respelled"
    path.write_bytes(data)
    assert canonical(read(path)) == WHOLE


@examples
@given(cut(BYTES))
def test_cut_file_gives_its_whole_records_and_a_word(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "derwent-cut"
    path.write_bytes(data)
    raw = outcome(path)
    right = plain(data)
    if isinstance(raw, str):
        assert not right, raw
    else:
        assert set(raw.families["family_id"]) == {record["family"] for record in right}
        assert list(map(as_plain, publications(path))) == right
        assert (
            BYTES.startswith(data.rstrip() + b"\n") or "end too early" in " ".join(raw.notes) or "EF" in str(raw.notes)
        )


@examples
@given(damaged(BYTES))
def test_damaged_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "derwent-damaged"
    data = data.replace(b"\xa0", b"!").replace(b"\x85", b"!")  # blanks to one reader, and none to the other
    path.write_bytes(data)
    raw = outcome(path)
    if not isinstance(raw, str):
        assert in_ascii(list(map(as_plain, publications(path)))) == in_ascii(plain(data))


def record(tmp_path: Path, *lines: str) -> Publication:
    path = tmp_path / "one.txt"
    path.write_text("\n".join(["FN Web of Science", "PT P", *lines, "ER", "", "EF"]), encoding="utf-8")
    (one,) = publications(path)
    return one


def test_dates_countries_and_what_is_known_otherwise(tmp_path: Path) -> None:
    published = ["PD EP1000001-A1   05 Mar 2015   A01G-009/24", "   WO2014000001-A1   04-SEP-2014", "   EP1000001-B1"]
    priorities = ["PI US864123    14 Jan 2013", "   JP123    02 Dec 2012"]
    one = record(tmp_path, "PN EP1000001-A1; WO2014000001-A1", *published, *priorities, "UT DIIDW:2015123")
    assert one.dates == ["2015-03-05", "2014-09-04"]
    assert (one.jurisdiction, one.also, one.family) == ("WO", ["EP1000001-B1"], "2015123")
    assert (one.priority, one.priorities) == ("2012-12-02", ["US864123", "JP123"])


def test_codes_of_applicants_are_taken_off(tmp_path: Path) -> None:
    names = ["AE MIRADRUM INC (MIRA-Non-standard)", "   LUMIGRAVE (UK) LTD (LUMI-C)", "   FALLOWICK R", "   TARN (UK)"]
    assert record(tmp_path, "PN EP1-A1", *names).applicants == [
        "MIRADRUM INC", "LUMIGRAVE (UK) LTD", "FALLOWICK R", "TARN (UK)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "cited"),
    [
        (["CP EP1-A1", "      US5-A", "      EP1-A1   SELF"], ["US5-A", "EP1-A1"]),
        (["CP    EP1-A1", "      US5-A   NAME (ABCD)", "   WO2-A1", "      US6-A"], ["US5-A", "US6-A"]),
        (["CP EP1-A1", "   US5-A", "   WO2-A1", "   US6-A"], ["US5-A", "US6-A"]),  # blanks were lost
        (["CP US5-A   NAME", "   US6-A"], ["US5-A", "US6-A"]),  # no heads
        (["CP EP1-A1"], []),
    ],
)
def test_heads_of_what_is_cited_are_no_citations(tmp_path: Path, lines: list[str], cited: list[str]) -> None:
    assert [one.number for one in record(tmp_path, "PN EP1-A1; WO2-A1", *lines).cites] == cited


@pytest.mark.parametrize(
    ("lines", "family", "date"),
    [
        (["GA 2015123 ", "UT DIIDW:1"], "2015123", ""),
        (["GA", "UT DIIDW:1"], "1", ""),
        (["UT DIIDW:", "VR 1.0", "   more"], "", ""),
        (["PD EP1-A1   04 Mar 2001", "   EP1-A1   03 Mar 2001   reprint", "   EP1-A1   31 Feb 2001"], "", "2001-03-03"),
    ],
)
def test_fields_that_are_empty_or_stand_twice(tmp_path: Path, lines: list[str], family: str, date: str) -> None:
    one = record(tmp_path, "PN EP1-A1", *lines)
    assert (one.family, min(one.dates, default="")) == (family, date)


def test_a_field_whose_name_has_a_digit_is_no_part_of_the_one_above(tmp_path: Path) -> None:
    one = record(tmp_path, "PN EP1-A1", "AB ", "   NOVELTY - A pump.", "Z9 0")
    assert [text.text for text in one.abstract] == ["NOVELTY - A pump."]


def test_a_record_without_an_end_is_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "lost.ciw"
    path.write_text(BYTES.decode("utf-8-sig").replace("\nER\n", "\n", 1), encoding="utf-8")
    raw = read(path)
    assert len(raw.families) == RIGHT[FILE.name]["families"] - 1  # type: ignore[operator]
    assert raw.notes["records without an end, left out"] == "1, such as US2009330244-A1"


def test_several_files_and_files_put_together(tmp_path: Path) -> None:
    first, second = (tmp_path / name for name in ("first.ciw", "second.txt"))
    first.write_text("FN\n" + "\n".join(RECORDS[:9]) + "\nEF\n", encoding="utf-8")
    second.write_text("FN\n" + "\n".join(RECORDS[9:]) + "\nEF\n", encoding="utf-8")
    both = tmp_path / "both.txt"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    assert canonical(read(both)) == WHOLE
    second.write_bytes(b"\xef\xbb\xbf" + second.read_bytes().replace(b"\n", b"\r"))
    assert canonical(checked(formats.read([first, second], None, Select()), "both")) == WHOLE


def test_selection_by_the_country_of_any_publication() -> None:
    right = {one["family"] for one in plain(BYTES) if any(number.startswith("WO") for number in one["numbers"])}
    assert set(read(FILE, jurisdictions=("WO",)).families["family_id"]) == right


def test_articles_of_web_of_science_are_none_of_it(tmp_path: Path) -> None:
    path = tmp_path / "articles.ciw"
    path.write_text("FN Web of Science\nVR 1.0\nPT J\nAU Nobody, N\nTI Text\nUT WOS:000\nER\n\nEF", encoding="utf-8")
    with pytest.raises(UserError, match="no known export"):
        read(path)


@pytest.mark.parametrize("between", ["\n", "; "])
def test_table_of_the_same_fields(tmp_path: Path, between: str) -> None:
    """As Web of Science saves it by tabs, or as a spreadsheet."""
    records: list[dict[str, list[str]]] = []
    tag = ""
    for line in (EXPORTS / "derwent.ciw").read_text(encoding="utf-8-sig").splitlines()[2:]:
        if line.startswith("PT"):
            records.append({})
        tag = line[:2].strip() or tag
        if line.strip() and tag not in ("ER", "EF"):
            records[-1].setdefault(tag, []).append(line[3:].strip())
    tags = list(dict.fromkeys(tag for record in records for tag in record))
    joins = dict.fromkeys(tags, between) | {"TI": " ", "AB": "\n"}
    rows = [tags, *([joins[tag].join(record.get(tag, [])) for tag in tags] for record in records)]
    assert canonical(read(spreadsheet(rows, tmp_path / "x.xlsx"))) == canonical(read(EXPORTS / "derwent.ciw"))
