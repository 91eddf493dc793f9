"""The format `hupd`, held against a second reader made of json alone."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from harness import EXPORTS, RIGHT, canonical, cut, damaged, examples, outcome, packed, read, table
from hypothesis import given
from hypothesis import strategies as st

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.formats import hupd, recognise
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading.source import CUT, Source
from patent_embeddings.corpus.reading.text import WINDOWS

FOLDER = EXPORTS / "hupd"
RECORDS: list[dict[str, Any]] = [json.loads(one.read_text()) for one in sorted(FOLDER.iterdir())]
WHOLE = canonical(read(FOLDER))
PLAIN = RECORDS[0] | {"patent_number": "None", "patent_issue_date": ""}
SECTIONS = ("title", "abstract", "claims", "full_description")


def publications(path: Path) -> list[Publication]:
    return list(hupd.read(Source(path), Select()))


def written(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return path


def packed_as(kind: str, records: list[dict[str, Any]], path: Path) -> Path:
    """The records in a folder or an archive, a file each, beside one that is none."""
    files = {f"2012/{place}.json": json.dumps(one).encode() for place, one in enumerate(records)}
    files["README.txt"] = b"Patents"
    if kind == "folder":
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    elif kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, f"w:{kind}") as tar:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def said(one: dict[str, Any]) -> dict[str, Any]:
    """What a record says, by its own fields alone."""

    def text(name: str) -> str:
        value = str(one.get(name) or "").strip()
        return "" if value.lower() in ("none", "nan", "na") else value

    def subclasses(name: str, main: str) -> set[str]:
        labels = one.get(name)
        return {str(code)[:4] for code in [*(labels if isinstance(labels, list) else []), one.get(main)] if code}

    number, _, day = text("publication_number").partition("-")
    days = [text("date_published") or day, text("patent_issue_date")]
    return {
        "number": number,
        "family": text("application_number"),
        "also": [f"US{text('patent_number')}"] if text("patent_number") else [],
        "dates": [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in days if day],
        "texts": [text(name) for name in SECTIONS],
        "ipc": subclasses("ipcr_labels", "main_ipcr_label"),
        "cpc": subclasses("cpc_labels", "main_cpc_label"),
    }


def as_said(one: Publication) -> dict[str, Any]:
    sections = (one.title, one.abstract, one.claims, one.description)
    return {
        "number": one.numbers[0],
        "family": one.family,
        "also": one.also,
        "dates": one.dates,
        "texts": ["".join(text.text for text in section) for section in sections],
        "ipc": set(one.ipc),
        "cpc": set(one.cpc),
    }


def by_hand(records: list[dict[str, Any]]) -> dict[str, int | str]:
    """The row of the table of right results, of records that are a family each."""
    found = [said(one) for one in records]
    dates = sorted(min(one["dates"]) for one in found)
    return {
        "families": len(found),
        "publications": len(found),
        **dict.fromkeys(("citations kept", "outside", "own", "npl"), 0),
        **{name: sum(bool(one[name]) for one in found) for name in ("ipc", "cpc")},
        "abstract": sum(bool(one["texts"][1]) for one in found),
        "claims": sum(bool(one["texts"][2]) for one in found),
        "earliest": dates[0],
        "latest": dates[-1],
    }


def changed(seed: int) -> list[dict[str, Any]]:
    """Records with their numbers, dates, codes and texts exchanged, in one way for each seed."""
    rng = random.Random(seed)
    found = []
    for number in rng.sample(range(10**6, 10**7), 8):
        one = dict(rng.choice(RECORDS))
        day = f"{rng.randrange(2004, 2019)}{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}"
        one |= {
            "application_number": str(10**7 + number),
            "publication_number": f"US{day[:4]}{number:07}A1-{day}",
            "date_published": rng.choice([day, "", None]),
            "patent_number": rng.choice([number + 3 * 10**6, str(number + 3 * 10**6), "None", "", None]),
            "abstract": rng.choice([f"An apparatus of kind {number}.", "", None]),
            "ipcr_labels": rng.sample(["A01B1102", "G10K11178", "H04L2908", "B28D104"], rng.randrange(3)),
            "main_ipcr_label": "",
        }
        found.append(one)
    return found


def test_second_reader(tmp_path: Path) -> None:
    assert table(packed_as("gz", RECORDS, tmp_path / "x.dat")) == RIGHT["hupd"]
    assert [as_said(one) for one in publications(FOLDER)] == [said(one) for one in RECORDS]


@pytest.mark.parametrize("seed", range(5))
def test_table_of_changed_records(seed: int, tmp_path: Path) -> None:
    records = changed(seed)
    path = written(tmp_path / "x", *records)
    assert [as_said(one) for one in publications(path)] == [said(one) for one in records]
    assert table(path) == by_hand(records)


@examples
@given(st.data())
def test_other_spellings_say_the_same(tmp_path: Path, data: st.DataObject) -> None:
    names = data.draw(st.permutations([*RECORDS[0], "note"]))
    records = [{name: one.get(name) for name in names} for one in data.draw(st.permutations(RECORDS))]
    form = data.draw(st.sampled_from(["lines", "array", "printed"]))
    joint = ",\n" if form == "array" else "\n"
    text = joint.join(json.dumps(one, indent=1 if form == "printed" else None) for one in records)
    path = tmp_path / "x"
    path.write_bytes(data.draw(packed((f"[{text}]" if form == "array" else text).encode())))
    assert hupd.looks(Source(path))
    assert canonical(read(path, "hupd")) == WHOLE


@pytest.mark.parametrize("kind", ["folder", "zip", "", "gz"])
def test_folders_and_archives_say_the_same(kind: str, tmp_path: Path) -> None:
    raw = read(packed_as(kind, RECORDS[::-1], tmp_path / "x"))
    assert canonical(raw) == WHOLE
    assert raw.notes["files that do not begin with a JSON object, left out"].startswith("1, such as ")


def test_gzipped_files_in_a_folder_say_the_same(tmp_path: Path) -> None:
    for place, one in enumerate(RECORDS):
        (tmp_path / f"{place}").write_bytes(gzip.compress(json.dumps(one).encode()))
    assert canonical(read(tmp_path)) == WHOLE


@pytest.mark.parametrize("kind", ["", "gz"])
@examples
@given(data=st.data())
def test_a_cut_archive_gives_its_whole_records_and_says_so(kind: str, tmp_path: Path, data: st.DataObject) -> None:
    records = changed(1)
    path = packed_as(kind, records, tmp_path / "x")
    path.write_bytes(data.draw(cut(path.read_bytes())))
    raw = outcome(path, "hupd")
    if isinstance(raw, str):
        assert not publications_before_the_end(path)
        return
    found = sorted(raw.families["family_id"])
    assert found == sorted(one["application_number"] for one in publications_before_the_end(path))
    assert len(found) == len(records) or any(note.startswith(CUT) for note in raw.notes)


def publications_before_the_end(path: Path) -> list[dict[str, Any]]:
    """Objects that stand whole in what is left of an archive, its layers taken off by hand."""
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = zlib.decompressobj(31).decompress(content)
    found, at = [], 0
    while (at := content.find(b'{"application_number"', at)) >= 0:
        try:
            found.append(json.JSONDecoder().raw_decode(content[at:].decode("utf-8", "replace"))[0])
        except ValueError:
            break
        at += 1
    return found


@examples
@given(st.data())
def test_cut_lines_give_whole_records_and_say_so(tmp_path: Path, data: st.DataObject) -> None:
    records = changed(2)
    path = written(tmp_path / "x", *records)
    path.write_bytes(data.draw(cut(path.read_bytes())))
    source = Source(path)
    found = [as_said(one) for one in hupd.read(source, Select())]
    lines = path.read_bytes().split(b"\n")
    whole = len(lines) - (lines[-1].strip() not in [json.dumps(one).encode() for one in records])
    assert found == [said(one) for one in records[:whole]]
    assert (CUT in source.report.counts) == (whole < len(lines) and lines[-1] != b"")


@examples
@given(st.data())
def test_damaged_records_are_refused_or_read_as_json_reads_them(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "x"
    path.write_bytes(data.draw(damaged(json.dumps(PLAIN).encode())))
    outcome(path, "hupd")
    source = Source(path)
    try:
        found = list(hupd.read(source, Select()))
    except UserError:
        return
    encoding = "cp1252" if WINDOWS in source.report.counts else "utf-8"
    try:
        record = json.loads(path.read_bytes().decode(encoding, "replace"))
    except ValueError:
        assert not found
        return
    keys = ("family", "texts")
    assert [{key: as_said(one)[key] for key in keys} for one in found] == [{key: said(record)[key] for key in keys}]


@pytest.mark.parametrize("number", [8123456, "8123456", 8123456.0, "8123456.0", "US8123456"])
def test_the_granted_patent_is_known_too(number: Any, tmp_path: Path) -> None:
    grant = PLAIN | {"patent_number": number, "patent_issue_date": "20130101"}
    (one,) = publications(written(tmp_path / "x", grant))
    assert (one.numbers, one.also) == (["US20120243104A1"], ["US8123456"])
    assert one.dates == ["2012-07-28", "2013-01-01"]


@pytest.mark.parametrize("none", ["None", "", "none", "nan", None])
def test_what_spells_absence_is_none(none: Any, tmp_path: Path) -> None:
    empty = dict.fromkeys(["patent_number", "title", "date_published", "cpc_labels", "abstract", "claims"], none)
    (one,) = publications(written(tmp_path / "x", PLAIN | empty))
    assert (one.also, one.title, one.cpc, one.abstract, one.claims) == ([], [], [], [], [])
    assert one.dates == ["2012-07-28"]


def test_codes_without_a_slash_are_cut_to_the_subclass_only(tmp_path: Path) -> None:
    labels = ["G10K1117823", "H01L222448091", "H01L0222448091", "A61F 11/14", "A01B", "None", ""]
    (one,) = publications(written(tmp_path / "x", PLAIN | {"ipcr_labels": labels, "main_ipcr_label": "G10K11178"}))
    assert one.ipc == ["G10K", "G10K", "H01L", "H01L", "A61F 11/14", "A01B"]


def test_a_description_may_stand_in_parts(tmp_path: Path) -> None:
    parts = {"full_description": None, "background": "Ploughs are old.", "summary": "This one is new."}
    (one,) = publications(written(tmp_path / "x", PLAIN | parts))
    assert one.description[0].text == "Ploughs are old.\nThis one is new."


def test_a_record_without_an_own_number_is_named_by_its_grant_or_application(tmp_path: Path) -> None:
    grant = PLAIN | {"publication_number": None, "patent_number": 8123456}
    neither = PLAIN | {"publication_number": None, "application_number": "None"}
    source = Source(written(tmp_path / "x", grant, PLAIN | {"publication_number": ""}, neither))
    found = list(hupd.read(source, Select()))
    assert [(one.numbers, one.family) for one in found] == [(["US8123456"], "13785589"), (["13785589"], "13785589")]
    assert source.report.counts == {"records without a number, left out": 1}


def test_damage_is_named_with_its_file_place_and_mend(tmp_path: Path) -> None:
    packed_as("folder", RECORDS, tmp_path / "x")
    (tmp_path / "x/2012/1.json").write_text('{"application_number": "1" "title": ""}')
    with pytest.raises(
        UserError, match=r"2012/1\.json: record 1, from line 1: not JSON .*; export or copy the file again"
    ):
        publications(tmp_path / "x")


def test_our_own_form_is_not_taken_for_it(tmp_path: Path) -> None:
    ours = {"family_id": "F1", "application_number": "1", "decision": "PENDING", "uspc_class": "604", "title": ""}
    assert not hupd.looks(Source(written(tmp_path / "x", ours)))


def test_a_folder_of_archives_of_years(tmp_path: Path) -> None:
    for year, record in enumerate(RECORDS, start=2014):
        (tmp_path / "years").mkdir(exist_ok=True)
        packed_as("gz", [record], tmp_path / f"years/{year}.tar")
    assert canonical(read(tmp_path / "years")) == WHOLE
    last = tmp_path / "years/2016.tar"
    last.write_bytes(last.read_bytes()[:60])
    with pytest.raises(UserError, match="2016"):
        read(tmp_path / "years")


def test_a_long_text_may_stand_before_most_columns(tmp_path: Path) -> None:
    record = dict(sorted((RECORDS[0] | {"background": "word " * 100_000}).items()))
    assert recognise(Source(written(tmp_path / "x", record))).name == "hupd"


def test_codes_in_a_text_may_have_blanks_in_them(tmp_path: Path) -> None:
    record = RECORDS[0] | {"main_ipcr_label": "", "ipcr_labels": "A61B 6/03; G06F17/30 H04L  9/00|G01N"}
    (one,) = publications(written(tmp_path / "x", record))
    assert one.ipc == ["A61B 6/03", "G06F17/30", "H04L  9/00", "G01N"]
