"""The user's own file: what is accepted keeps its content, what is refused is said in one line."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages import layout, tables
from stages.errors import UserError
from stages.files import sha256
from stages.registry.entries import Table
from stages.sources import table

FAMILIES: list[dict[str, Any]] = [
    {"family_id": "A-1", "title": "Pump", "abstract": "A pump,\nwith \"valve\"; new.", "claims": "1. A pump.",
     "description": "Long.", "ipc": ["F04B1/00", "A01B1/00"], "cpc": ["F04B1/02"], "jurisdiction": "US",
     "date": "2001-02-03", "labels": ["wet"], "cites": ["B-2", "B-2", "A-1", "X-9"]},
    {"family_id": "B-2", "title": "Größe <b>&amp;</b>", "abstract": "", "cites": ["A-1"]},
    {"family_id": "C-3", "title": "Valve", "abstract": None, "ipc": None, "publications": ["US-1"]},
]  # fmt: skip


def write(path: Path, families: list[dict[str, Any]]) -> Path:
    if path.suffix == ".csv":
        columns = list(dict.fromkeys(key for family in families for key in family))
        with path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, columns, restval="")
            writer.writeheader()
            for family in families:
                writer.writerow({key: ";".join(value) if isinstance(value, list) else value for key, value in family.items()})  # fmt: skip
    elif path.suffix == ".parquet":
        pq.write_table(
            pa.Table.from_pylist(
                [{**dict.fromkeys((*table.COLUMNS, "publications")), **family} for family in families]
            ),
            path,
        )
    else:
        text = "".join(json.dumps(family) + "\n" for family in families).encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".parquet", ".csv"])
def test_every_format_gives_the_same_landscape(tmp_path: Path, suffix: str) -> None:
    raw = table.parse(write(tmp_path / f"own{suffix}", FAMILIES))
    first, second, third = raw.families.to_dict("records")
    assert {key: first[key] for key in tables.FAMILIES.columns} == {
        key: value for key, value in FAMILIES[0].items() if key != "cites"
    }
    assert (second["title"], second["abstract"], second["ipc"], second["date"]) == ("Größe <b>&amp;</b>", "", [], "")
    assert (third["abstract"], third["ipc"]) == ("", [])
    assert raw.citations.values.tolist() == [["A-1", "B-2"], ["B-2", "A-1"]]
    assert raw.notes["citations dropped, outside the landscape"] == 1
    assert raw.notes["citations dropped, to itself"] == 1
    assert raw.notes["citations dropped, repeated"] == 1
    # What the file was is what the tables keep.
    tables.write(raw.families, tmp_path / "families.parquet", tables.FAMILIES)
    tables.write(raw.citations, tmp_path / "citations.parquet", tables.CITATIONS)


def test_unknown_columns_are_ignored_and_named(tmp_path: Path) -> None:
    for suffix in (".jsonl", ".csv", ".parquet"):
        assert table.parse(write(tmp_path / f"own{suffix}", FAMILIES)).notes["columns ignored"] == ["publications"]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_blanks_around_the_entries_of_a_list_do_not_count(tmp_path: Path, suffix: str) -> None:
    spaced = [{key: [f" {part} " for part in value] if isinstance(value, list) else value for key, value in family.items()} for family in FAMILIES]  # fmt: skip
    plain, found = (table.parse(write(tmp_path / f"{name}{suffix}", rows)) for name, rows in (("a", FAMILIES), ("b", spaced)))  # fmt: skip
    pd.testing.assert_frame_equal(found.families, plain.families)
    pd.testing.assert_frame_equal(found.citations, plain.citations)


def test_byte_order_mark_and_blank_lines_are_no_content(tmp_path: Path) -> None:
    for suffix in (".jsonl", ".csv"):
        path = write(tmp_path / f"own{suffix}", FAMILIES)
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\n\n")
        assert table.parse(path).families["family_id"].tolist() == ["A-1", "B-2", "C-3"]


def line(**changes: Any) -> bytes:
    family = {"family_id": "Z", "title": "t", "abstract": "a"} | changes
    return json.dumps({key: value for key, value in family.items() if value != "absent"}).encode() + b"\n"


GOOD = line(family_id="G")
REFUSED = {
    "missing": (GOOD + line(abstract="absent"), "line 2: column 'abstract' is missing"),
    "misspelt": (line(title="absent", titel="t"), "line 1: column 'title' is missing (did you mean titel?)"),
    "number as id": (line(family_id=7), "line 1: column 'family_id' is a number, expected text"),
    "null id": (GOOD + line(family_id=None), "line 2: family_id is empty"),
    "empty id": (line(family_id=""), "line 1: family_id is empty"),
    "duplicate id": (GOOD + line() + line(family_id="G"), "line 3: family_id 'G' is also on line 1"),
    "slash": (line(family_id="../a"), "line 1: family_id '../a': ids have no blank, slash or control character"),
    "backslash": (line(family_id="a\\b"), "ids have no blank, slash"),
    "blank in id": (line(family_id="a b"), "ids have no blank"),
    "control in id": (line(family_id="a\x1b"), "ids have no blank"),
    "invisible in id": (line(family_id="a\u200b"), "ids have no blank"),
    "text as list": (line(cites="A"), "column 'cites' is text, expected a list"),
    "list as text": (line(title=["t"]), "column 'title' is a list, expected text"),
    "nested": (line(abstract={"en": "a"}), "column 'abstract' is an object, expected text"),
    "list of numbers": (line(ipc=["A01B", 3]), "column 'ipc' holds an entry that is empty or no text"),
    "empty code": (line(ipc=[""]), "column 'ipc' holds an entry that is empty"),
    "date": (line(date="03.02.2001"), "date '03.02.2001' is not an ISO date"),
    "impossible date": (line(date="2001-02-30"), "date '2001-02-30' is not an ISO date"),
    "basic date": (line(date="20010203"), "is not an ISO date"),
    "NUL": (line(title="a\0b"), "column 'title' has a NUL character"),
    "surrogate": (b'{"family_id": "Z", "title": "\\ud800", "abstract": ""}\n', "half of a surrogate pair"),
    "not UTF-8": (GOOD + line(title="t").replace(b'"t"', b'"\xff"'), "line 2: byte 30 is not UTF-8"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "line 1: byte 1 is not UTF-8"),
    "not JSON": (GOOD + b"family\n", "line 2: not JSON"),
    "a list": (b"[1]\n", "line 1: a list, expected one JSON object a line"),
    "deep": (b"[" * 100_000 + b"\n", "line 1: nested too deeply"),
    "key twice": (b'{"family_id": "Z", "family_id": "Y", "title": "", "abstract": ""}\n', "a key is given twice"),
    "empty": (b"", "no family in it"),
    "textless": (line(title="", abstract=""), "no family has any text"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_lines_are_refused_with_place_and_mend(tmp_path: Path, name: str) -> None:
    content, message = REFUSED[name]
    path = tmp_path / "own.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        table.parse(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400 + len(str(path))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    many = [{"family_id": f"F{i}", "title": f"{i * 7919 % 1000}", "abstract": f"{i * i}"} for i in range(500)]
    for suffix, message in ((".jsonl.gz", "damaged gzip"), (".parquet", "damaged or not parquet")):
        path = write(tmp_path / f"own{suffix}", many)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(UserError, match=message):
            table.parse(path)
    renamed = tmp_path / "plain.jsonl.gz"
    renamed.write_bytes(GOOD)
    with pytest.raises(UserError, match="damaged gzip"):
        table.parse(renamed)


def test_bad_csv_and_parquet_are_refused(tmp_path: Path) -> None:
    cases: dict[str, tuple[str | bytes, str]] = {
        "short": ("family_id,title,abstract\nA,t\n", "row 1: 2 fields, but the header has 3"),
        "long": ("family_id,title,abstract\nA,t,a,b\n", "row 1: 4 fields, but the header has 3"),
        "quote": ('family_id,title,abstract\nA,t,"a\n', "not CSV"),
        "twice": ("family_id,title,title,abstract\nA,t,t,a\n", "column 'title' is given twice"),
        "latin": ("family_id,title,abstract\nA,Größe,a\n".encode("latin-1"), "not UTF-8"),
        "header": ("family_id,title,abstract\n", "no family in it"),
    }
    path = tmp_path / "own.csv"
    for content, message in cases.values():
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(UserError, match=message):
            table.parse(path)
    frame = pd.DataFrame({"family_id": [1, 2], "title": ["a", "b"], "abstract": ["c", "d"]})
    frame.to_parquet(tmp_path / "own.parquet")
    with pytest.raises(UserError, match="row 1: column 'family_id' is a number"):
        table.parse(tmp_path / "own.parquet")
    frame.assign(family_id=["A", "A"]).to_parquet(tmp_path / "own.parquet")
    with pytest.raises(UserError, match="row 2: family_id 'A' is also on row 1"):
        table.parse(tmp_path / "own.parquet")
    binary = pa.array([b"\xff", b"ok"]).cast(pa.binary()).view(pa.string())
    pq.write_table(
        pa.table({"family_id": ["A", "B"], "title": binary, "abstract": ["c", "d"]}), tmp_path / "own.parquet"
    )
    with pytest.raises(UserError, match=r"own\.parquet: "):
        table.parse(tmp_path / "own.parquet")


def test_paths_that_are_no_such_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    for name, message in (("gone.jsonl", "No such file"), ("folder.jsonl", "directory"), ("own.xlsx", "unknown kind of file")):  # fmt: skip
        with pytest.raises(UserError, match=message):
            table.parse(tmp_path / name)


def test_load_wants_the_file_that_was_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = layout.raw("own", ".jsonl")
    path.parent.mkdir(parents=True)
    write(path, FAMILIES)
    entry = Table(description="d", licence="l", source="table", file=str(path), sha256=sha256(path))
    assert len(table.load("own", entry).families) == 3
    path.write_bytes(path.read_bytes() + line())
    with pytest.raises(UserError, match=r"sha256 is not the one in .*'own'"):
        table.load("own", entry)
    path.unlink()
    with pytest.raises(UserError, match=r"missing; run `dvc pull data/raw/own.jsonl.dvc`"):
        table.load("own", entry)
