"""The user's own file: what is accepted keeps its content, what is refused is said in one line."""

from __future__ import annotations

import csv
import gzip
import json
import re
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus.formats.harness import spreadsheet

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256
from patent_embeddings.corpus import judgements, own
from patent_embeddings.corpus.families import Raw, checked
from patent_embeddings.corpus.own.fields import COLUMNS
from patent_embeddings.corpus.reading import source
from patent_embeddings.corpus.reading.source import Source
from patent_embeddings.corpus.schemas import CITATIONS
from patent_embeddings.corpus.schemas import FAMILIES as FAMILIES_TABLE
from patent_embeddings.corpus.sources import table
from patent_embeddings.corpus.summary import held, summary
from patent_embeddings.corpus.values import OwnFile

FAMILIES: list[dict[str, Any]] = [
    {"family_id": "A-1", "title": "Pump", "abstract": "A pump,\nwith \"valve\"; new.", "claims": "1. A pump.",
     "description": "Long.", "ipc": ["F04B1/00", "A01B1/00"], "cpc": ["F04B1/02"], "jurisdiction": "US",
     "date": "2001-02-03", "labels": ["wet"], "domains": ["9", "11"],
     "priority": "2000-02-03", "publication": "US-1-A1", "url": "https://example.org/1", "applicants": ["Ann", "Bob"],
     "publications": ["US-1-A1", "US-1-B2"], "cites": ["B-2", "B-2", "A-1", "X-9"], "categories": ["X", "", "A", "Y"]},
    {"family_id": "B-2", "title": "Größe <b>&amp;</b>", "abstract": "", "cites": ["A-1"]},
    {"family_id": "C-3", "title": "Valve", "abstract": None, "ipc": None, "remarks": ["US-1"]},
]  # fmt: skip


def write(path: Path, families: list[dict[str, Any]]) -> Path:
    if path.suffix == ".csv":
        columns = list(dict.fromkeys(key for family in families for key in family))
        with path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, columns, restval="")
            writer.writeheader()
            for family in families:
                writer.writerow(
                    {key: ";".join(value) if isinstance(value, list) else value for key, value in family.items()}
                )
    elif path.suffix == ".parquet":
        pq.write_table(
            pa.Table.from_pylist([{**dict.fromkeys((*COLUMNS, "remarks")), **family} for family in families]),
            path,
        )
    else:
        text = "".join(json.dumps(family) + "\n" for family in families).encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".parquet", ".csv"])
def test_every_format_gives_the_same_landscape(tmp_path: Path, suffix: str) -> None:
    raw = own.parse(write(tmp_path / f"own{suffix}", FAMILIES))
    first, second, third = raw.families.to_dict("records")
    assert {key: first[key] for key in FAMILIES_TABLE.columns} == {
        key: value for key, value in FAMILIES[0].items() if key not in ("cites", "categories")
    }
    assert (second["title"], second["abstract"], second["ipc"], second["date"]) == ("Größe <b>&amp;</b>", "", [], "")
    assert (third["abstract"], third["ipc"]) == ("", [])
    assert raw.citations.values.tolist() == [["A-1", "B-2", "X"], ["B-2", "A-1", ""]]
    assert raw.notes["citations dropped, outside the landscape"] == 1
    assert raw.notes["citations dropped, to itself"] == 1
    assert raw.notes["citations dropped, repeated"] == 1
    # What the file was is what the tables keep.
    tables.write(raw.families, tmp_path / "families.parquet", FAMILIES_TABLE)
    tables.write(raw.citations, tmp_path / "citations.parquet", CITATIONS)


def test_unknown_columns_are_ignored_and_named(tmp_path: Path) -> None:
    for suffix in (".jsonl", ".csv", ".parquet"):
        assert own.parse(write(tmp_path / f"own{suffix}", FAMILIES)).notes["columns ignored"] == ["remarks"]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_blanks_around_the_entries_of_a_list_do_not_count(tmp_path: Path, suffix: str) -> None:
    spaced = [
        {key: [f" {part} " for part in value] if isinstance(value, list) else value for key, value in family.items()}
        for family in FAMILIES
    ]
    plain, found = (
        own.parse(write(tmp_path / f"{name}{suffix}", rows)) for name, rows in (("a", FAMILIES), ("b", spaced))
    )
    pd.testing.assert_frame_equal(found.families, plain.families)
    pd.testing.assert_frame_equal(found.citations, plain.citations)


def test_byte_order_mark_and_blank_lines_are_no_content(tmp_path: Path) -> None:
    for suffix in (".jsonl", ".csv"):
        path = write(tmp_path / f"own{suffix}", FAMILIES)
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\n\n")
        assert own.parse(path).families["family_id"].tolist() == ["A-1", "B-2", "C-3"]


def line(**changes: Any) -> bytes:
    family = {"family_id": "Z", "title": "t", "abstract": "a"} | changes
    return json.dumps({key: value for key, value in family.items() if value != "absent"}).encode() + b"\n"


GOOD = line(family_id="G")
REFUSED = {
    "missing": (GOOD + line(abstract="absent"), "line 2: column 'abstract' is missing"),
    "misspelt": (line(title="absent", titel="t"), "line 1: column 'title' is missing (did you mean titel?)"),
    "decimal as id": (line(family_id=7.0), "line 1: column 'family_id' holds the decimal number 7.0"),
    "true as id": (line(family_id=True), "line 1: column 'family_id' is true or false, expected text"),
    "null id": (GOOD + line(family_id=None), "line 2: family_id is empty"),
    "empty id": (line(family_id=""), "line 1: family_id is empty"),
    "duplicate id": (GOOD + line() + line(family_id="G"), "line 3: family_id 'G' is also on line 1"),
    "dash for an id": (line(family_id="-"), "line 1: family_id '-' means an empty cell in other columns; give every"),
    "list for an id": (GOOD + line(family_id="[]"), "line 2: family_id '[]' means an empty cell"),
    "slash": (line(family_id="../a"), "line 1: family_id '../a': ids have no blank, slash or control character"),
    "backslash": (line(family_id="a\\b"), "ids have no blank, slash"),
    "blank in id": (line(family_id="a b"), "ids have no blank"),
    "control in id": (line(family_id="a\x1b"), "ids have no blank"),
    "invisible in id": (line(family_id="a\u200b"), "ids have no blank"),
    "text as list": (line(cites="A"), "column 'cites' is text, expected a list"),
    "list as text": (line(title=["t"]), "column 'title' is a list, expected text"),
    "nested": (line(abstract={"en": "a"}), "column 'abstract' is an object, expected text"),
    "list of numbers": (line(ipc=["A01B", 3]), "column 'ipc' holds an entry that is no text"),
    "list in a list": (line(cites=[["A"]]), "column 'cites' is a list, expected text"),
    "date": (line(date="03.02.2001"), "date '03.02.2001' is not an ISO date"),
    "impossible date": (line(date="2001-02-30"), "date '2001-02-30' is not an ISO date"),
    "basic date": (line(date="20010203"), "is not an ISO date"),
    "NUL": (line(title="a\0b"), "column 'title' has a NUL character"),
    "surrogate": (b'{"family_id": "Z", "title": "\\ud800", "abstract": ""}\n', "half of a surrogate pair"),
    "not UTF-8": (GOOD + line(title="t").replace(b'"t"', b'"\xff"'), "line 2: byte 30 is not UTF-8"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "UTF-16, not UTF-8; save the file as UTF-8"),
    "not JSON": (GOOD + b"family\n", "line 2: not JSON"),
    "a list": (b"[1]\n", "record 1: a number, expected one JSON object a line"),
    "deep": (b"[" * 100_000 + b"\n", "nested too deeply"),
    "array cut": (b"[" + line() + b",", "record 1: not JSON"),
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
        own.parse(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400 + len(str(path))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    many = [{"family_id": f"F{i}", "title": f"{i * 7919 % 1000}", "abstract": f"{i * i}"} for i in range(500)]
    for suffix, message in ((".jsonl.gz", "the end of the file is missing"), (".parquet", "damaged or not parquet")):
        path = write(tmp_path / f"own{suffix}", many)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(UserError, match=message):
            own.parse(path)
    renamed = tmp_path / "plain.jsonl.gz"
    renamed.write_bytes(GOOD)
    assert own.parse(renamed).families["family_id"].tolist() == ["G"]


def test_a_parquet_file_with_a_damaged_footer_is_called_damaged_in_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "own.parquet", SIXTY)
    whole = path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for place in range(footer, footer + 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            own.parse(path)
        except UserError as error:
            assert "\n" not in str(error) and "permissions" not in str(error)


def test_a_hint_can_be_printed(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("family\x1b_id,title,abstract\nA,t,a\n")
    with pytest.raises(UserError, match=r"did you mean family\\x1b_id\?"):
        own.parse(tmp_path / "own.csv")


def test_rows_of_empty_fields_are_no_families(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("family_id,title,abstract\nA,t,a\n,,\nB,u,b\n,,\n,,\n")
    assert own.parse(tmp_path / "own.csv").families["family_id"].tolist() == ["A", "B"]
    (tmp_path / "own.csv").write_text("family_id,title,abstract\nA,t,a\n,u,b\n")
    with pytest.raises(UserError, match="row 2: family_id is empty"):
        own.parse(tmp_path / "own.csv")


def test_bad_csv_and_parquet_are_refused(tmp_path: Path) -> None:
    cases: dict[str, tuple[str | bytes, str]] = {
        "short": ("family_id,title,abstract\nA,t\n", "row 1: 2 fields, but the header has 3"),
        "long": ("family_id,title,abstract\nA,t,a,b\n", "row 1: 4 fields, but the header has 3"),
        "quote": ('family_id,title,abstract\nA,t,"a\n', "not CSV"),
        "twice": ("family_id,title,title,abstract\nA,t,t,a\n", "column 'title' is given twice"),
        "latin": ("family_id,title,abstract\nA,Größe,a\n".encode("latin-1"), "not UTF-8"),
        "header": ("family_id,title,abstract\n", "no family in it"),
        "nothing": ("", "no family in it"),
        "blank": ("\n\n\n", "no family in it"),
    }
    path = tmp_path / "own.csv"
    for content, message in cases.values():
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(UserError, match=message):
            own.parse(path)
    frame = pd.DataFrame({"family_id": [1.0, 2.0], "title": ["a", "b"], "abstract": ["c", "d"]})
    frame.to_parquet(tmp_path / "own.parquet")
    with pytest.raises(UserError, match=r"row 1: column 'family_id' holds the decimal number 1\.0"):
        own.parse(tmp_path / "own.parquet")
    frame.assign(family_id=["A", "A"]).to_parquet(tmp_path / "own.parquet")
    with pytest.raises(UserError, match="row 2: family_id 'A' is also on row 1"):
        own.parse(tmp_path / "own.parquet")
    binary = pa.array([b"\xff", b"ok"]).cast(pa.binary()).view(pa.string())
    pq.write_table(
        pa.table({"family_id": ["A", "B"], "title": binary, "abstract": ["c", "d"]}), tmp_path / "own.parquet"
    )
    with pytest.raises(UserError, match=r"own\.parquet: "):
        own.parse(tmp_path / "own.parquet")


def test_paths_that_are_no_such_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    for name, message in (
        ("gone.jsonl", "No such file"),
        ("folder.jsonl", "directory"),
        ("own.xlsx", "No such file"),
        ("own.dat", "No such file"),
    ):
        with pytest.raises(UserError, match=message):
            own.parse(tmp_path / name)


def test_load_wants_the_file_that_was_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = layout.raw("own", ".jsonl")
    path.parent.mkdir(parents=True)
    write(path, FAMILIES)
    entry = OwnFile(licence="l", source="table", file=str(path), sha256=sha256(path))
    assert len(table.load("own", entry).families) == 3
    path.write_bytes(path.read_bytes() + line())
    with pytest.raises(UserError, match=r"sha256 is not the one in .*'own'"):
        table.load("own", entry)
    path.unlink()
    with pytest.raises(UserError, match=r"missing; run `dvc pull data/raw/own.jsonl.dvc`"):
        table.load("own", entry)


# Sixty families as a database holds them: two codes for every third, three citations from the twelfth on.


def family(number: int) -> dict[str, Any]:
    subclasses = ("A01B", "G06F", "H01M", "A61K", "B25B", "F04D")
    here = subclasses[number % 6]
    ipc = [f"{here}{number % 7 + 1}/{number % 5:02d}"] + (
        [f"{subclasses[(number + 1) % 6]}1/00"] if number % 3 == 0 else []
    )
    cites = [f"F{number - back:03d}" for back in (6, 12, 7)] if number >= 12 else []
    return {
        "family_id": f"F{number:03d}",
        "title": f"Pump {number}",
        "abstract": f"A pump of kind {number}.",
        "ipc": ipc,
        "date": f"{1990 + number // 6}-01-10",
        "cites": cites,
    }


SIXTY = [family(number) for number in range(60)]
SCOPES = {"in": 0, "out": 0}
for _one in SIXTY:
    for _cited in _one["cites"]:
        _shared = {code[:3] for code in _one["ipc"]} & {code[:3] for code in SIXTY[int(_cited[1:])]["ipc"]}
        SCOPES["in" if _shared else "out"] += 1


def read(path: Path) -> Raw:
    return checked(own.parse(path), str(path))


def scopes(raw: Raw) -> dict[str, int]:
    return {
        str(key): int(value)
        for key, value in judgements.judgements(raw.citations, raw.families, "cited")["scope"].value_counts().items()
    }


def sheet(
    path: Path,
    join: Callable[[list[str]], str],
    *,
    delimiter: str = ",",
    above: str = "",
    columns: list[str] | None = None,
) -> Path:
    """The sixty as a CSV file whose lists are joined in some way."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        handle.write(above)
        writer = csv.writer(handle, delimiter=delimiter)
        writer.writerow(columns or list(SIXTY[0]))
        for one in SIXTY:
            writer.writerow([join(value) if isinstance(value, list) else value for value in one.values()])
    return path


LISTED: dict[str, Callable[[list[str]], str]] = {
    "semicolons": ";".join,
    "two semicolons": ";;".join,
    "bars": " | ".join,
    "line breaks": " \n".join,
    "carriage returns": "\r\n".join,
    "commas": ", ".join,
    "python": str,
    "json": json.dumps,
    "php": lambda value: json.dumps(value).replace("/", "\\/"),
    "numpy": lambda value: "[" + " ".join(map(repr, value)) + "]",
    "tuple": lambda value: str(tuple(value)),
    "sql": lambda value: "{" + ",".join(value) + "}",
    "bare": lambda value: "[" + ", ".join(value) + "]",
    "offices": lambda value: ", ".join(f"{one} (EP,US)" if "/" in one else one for one in value),
    "quoted": lambda value: "; ".join(f'"{one}"' for one in value),
    "quoted by commas": lambda value: ", ".join(map(repr, value)),
    "python, nothing": lambda value: str(value) if value else "nan",
    "with nan": lambda value: str([*value, float("nan")]),
    "ends": lambda value: ";".join(value) + ";",
}


@pytest.mark.parametrize("how", LISTED)
def test_lists_in_the_cells_of_a_sheet_are_read_as_the_lists_that_they_are(tmp_path: Path, how: str) -> None:
    raw = read(sheet(tmp_path / "own.csv", LISTED[how]))
    assert raw.families["ipc"].tolist() == [one["ipc"] for one in SIXTY]
    assert len(raw.citations) == 144 and scopes(raw) == SCOPES
    assert any(line.startswith("ipc by ") for line in raw.notes["lists separated"])


def test_every_column_has_one_delimiter_which_is_said(tmp_path: Path) -> None:
    rows = ["family_id,title,abstract,ipc,cites,labels"]
    rows += [f'F{i},t,a,"A01B1/00, G06F1/00",{f"F{i - 1}|X{i}" if i else ""},"wet, or dry;old"' for i in range(9)]
    (tmp_path / "own.csv").write_text("\n".join(rows))
    raw = read(tmp_path / "own.csv")
    assert raw.notes["lists separated"] == ["ipc by commas", "labels by ';'", "cites by '|'"]
    assert raw.families["labels"].tolist() == [["wet, or dry", "old"]] * 9 and len(raw.citations) == 8
    assert raw.notes["citations dropped, outside the landscape"] == 8


@pytest.mark.parametrize("print_", ["Int. Cl.7 {}", "{} (2006.01)", "{}   20060101AFI20051008BHEP"])
def test_printed_codes_are_brought_to_one_form_each_once(tmp_path: Path, print_: str) -> None:
    printed = [one | {"ipc": [print_.format(code) for code in [*one["ipc"], one["ipc"][0].lower()]]} for one in SIXTY]
    raw = read(write(tmp_path / "own.jsonl", printed))
    assert raw.families["ipc"].tolist() == [one["ipc"] for one in SIXTY] and scopes(raw) == SCOPES


def test_what_is_no_code_is_counted_shown_and_left_out_up_to_a_twentieth(tmp_path: Path) -> None:
    total = sum(len(one["ipc"]) for one in SIXTY)  # 80
    for strange in (4, 5):
        rows = [one | {"ipc": [*one["ipc"], "unclassified"]} if i < strange else one for i, one in enumerate(SIXTY)]
        path = write(tmp_path / "own.jsonl", rows)
        if strange == 4:
            raw = read(path)
            assert (
                raw.notes["ipc entries left out, no codes"]
                == f"4 of {total + 4}, such as 'unclassified' of family 'F000'"
            )
            assert raw.families["ipc"].tolist() == [one["ipc"] for one in SIXTY]
        else:
            with pytest.raises(
                UserError,
                match=r"own\.jsonl: 5 of 85 entries in column 'ipc' are no IPC or CPC codes, such as 'unclassified'",
            ):
                read(path)


@pytest.mark.parametrize(
    "spelled",
    [
        "nan",
        "NaN",
        "NA",
        "N/A",
        "None",
        "null",
        "NULL",
        "-",
        "",
        "  ",
        "<NA>",
        "#N/A",
        "NaT",
        "[]",
        "''",
        "\\N",
        "(null)",
        None,
        float("nan"),
    ],
)
def test_absence_is_absence_in_every_column(tmp_path: Path, spelled: object) -> None:
    rows: list[dict[str, Any]] = [dict(one) for one in SIXTY]
    for number in range(0, 60, 4):
        rows[number] |= {
            "ipc": [spelled],
            "cpc": spelled,
            "labels": [spelled, "wet"],
            "date": spelled,
            "abstract": spelled,
            "claims": spelled,
            "jurisdiction": spelled,
        }
        rows[number]["cites"] = [spelled, *rows[number]["cites"]]
    plain = [
        one | {"ipc": [], "labels": ["wet"], "date": "", "abstract": ""} if i % 4 == 0 else one
        for i, one in enumerate(SIXTY)
    ]
    raw, right = read(write(tmp_path / "own.jsonl", rows)), read(write(tmp_path / "plain.jsonl", plain))
    pd.testing.assert_frame_equal(raw.families, right.families)
    pd.testing.assert_frame_equal(raw.citations, right.citations)
    assert scopes(raw) == scopes(right) and scopes(raw)["unknown"] > 0
    said = raw.notes.get("cells and entries that spell absence, read as empty", "")
    assert said.endswith(f"such as {spelled.strip()!r}" if isinstance(spelled, str) and spelled.strip() else "")
    if not (isinstance(spelled, str) and spelled.strip()):
        rows[7]["family_id"] = spelled
        with pytest.raises(UserError, match=r"line 8: family_id is empty"):
            read(write(tmp_path / "own.jsonl", rows))


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_ids_that_are_written_as_what_is_missing_stay_ids_and_are_said(tmp_path: Path, suffix: str) -> None:
    ids = ["0012", "12", "1E5", "100000", "1e5", "TRUE", "null", "nan", "NA", "None", "-1"]
    rows = [
        {
            "family_id": name,
            "title": f"t{number}",
            "abstract": "a",
            "cites": [ids[number - 1]] if number else ["nan", "F9"],
        }
        for number, name in enumerate(ids)
    ]
    path = tmp_path / f"own{suffix}"
    if suffix == ".csv":
        pd.DataFrame(rows).assign(cites=[";".join(row["cites"]) for row in rows]).to_csv(path, index=False)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    raw = own.parse(path)
    assert sorted(raw.families["family_id"]) == sorted(ids)
    assert len(raw.citations) == len(ids) and ("0012", "nan") in set(
        raw.citations[["citing_id", "cited_id"]].itertuples(index=False, name=None)
    )
    assert raw.notes["family ids that are written as what is missing, kept as ids"] == "4, such as 'NA'"
    with path.open("a") as file:
        file.write("nan,again,a,\n" if suffix == ".csv" else json.dumps({**rows[7]}) + "\n")
    with pytest.raises(UserError, match="family_id 'nan' is also on"):
        own.parse(path)


def test_absence_in_parquet_and_sheets(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "family_id": ["A", "B"],
            "title": ["t", None],
            "abstract": [float("nan"), "a"],
            "ipc": [["A01B1/00"], None],
            "date": [pd.Timestamp("1990-01-10"), pd.NaT],
            "cpc": [None, ["A01B1/00"]],
        }
    )
    frame.to_parquet(tmp_path / "own.parquet")
    (tmp_path / "own.csv").write_text(
        "family_id,title,abstract,ipc,date,cpc\nA,t,NaN,A01B1/00,1990-01-10,nan\nB,NA,a,None,NaT,A01B1/00\n"
    )
    for name in ("own.parquet", "own.csv"):
        families = read(tmp_path / name).families
        assert families["title"].tolist() == ["t", ""] and families["abstract"].tolist() == ["", "a"]
        assert families["ipc"].tolist() == [["A01B1/00"], []] and families["cpc"].tolist() == [[], ["A01B1/00"]]
        assert families["date"].tolist() == ["1990-01-10", ""]


def test_ids_keep_their_spelling(tmp_path: Path) -> None:
    ids = [
        "0012",
        "12",
        "1E5",
        "100000",
        "1e5",
        "007",
        "+5",
        "TRUE",
        "-1",
        "=1+1",
        "1.0",
        "0x10",
        "1_000",
        "F'1",
        "F,1",
    ]
    rows = [
        {"family_id": name, "title": f"t{name}", "abstract": "", "cites": [ids[place - 1]]}
        for place, name in enumerate(ids)
    ]
    for suffix in (".jsonl", ".parquet", ".csv"):
        raw = read(write(tmp_path / f"own{suffix}", rows))
        assert raw.families["family_id"].tolist() == ids and len(raw.citations) == len(ids)


@pytest.mark.parametrize("name", ["1E+05", "2.0141E+10", "2,0141e+10"])
@pytest.mark.parametrize("column", ["family_id", "cites"])
def test_an_id_that_a_spreadsheet_rewrote_is_named(tmp_path: Path, name: str, column: str) -> None:
    rows = [dict(one) for one in SIXTY]
    rows[3][column] = name if column == "family_id" else [name]
    with pytest.raises(UserError, match=rf"line 4: column '{column}' has '{re.escape(name)}': a spreadsheet rewrote"):
        read(write(tmp_path / "own.jsonl", rows))


def test_sheets_that_are_not_read_are_said_and_named_where_the_first_is_no_table(tmp_path: Path) -> None:
    table = [["family_id", "title", "abstract"], ["1", "Pump", "A pump."]]
    raw = own.parse(spreadsheet(table, tmp_path / "two.xlsx", after="Year 2"))
    assert raw.notes["other sheets, not read"] == "1, such as Year 2"
    for rows in ([["Read me first"]], []):
        path = spreadsheet(rows, tmp_path / "first.xlsx", after="Year 2")
        with pytest.raises(UserError, match=r"'family_id' is missing; .*; other sheets, not read: 1, such as Year 2"):
            own.parse(path)


def test_whole_numbers_are_ids_by_their_digits(tmp_path: Path) -> None:
    rows = [{"family_id": 100 + i, "title": "t", "abstract": "", "cites": [99 + i]} for i in range(5)]
    for suffix in (".jsonl", ".parquet"):
        raw = read(write(tmp_path / f"own{suffix}", rows))
        assert raw.families["family_id"].tolist() == ["100", "101", "102", "103", "104"] and len(raw.citations) == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (str.lower, "144, such as 'f006' where a family is 'F006'"),
        (lambda name: f"F0{name[1:]}", "144, such as 'F0006' where a family is 'F006'"),
        (lambda name: f"{name}B2", "144, such as 'F006B2' where a family is 'F006'"),
        (lambda name: f"F-{name[1:]}", "144, such as 'F-006' where"),
        (lambda name: f"DOCDB{name}", "all 144, such as 'DOCDBF006' where a family is 'F000'"),
    ],
)
def test_cited_ids_that_no_family_has_are_not_called_none(
    tmp_path: Path, change: Callable[[str], str], said: str
) -> None:
    raw = read(
        write(tmp_path / "own.jsonl", [one | {"cites": [change(name) for name in one["cites"]]} for one in SIXTY])
    )
    assert raw.notes["cited ids that look unlike family ids"].startswith(said)
    lines = "\n".join(summary(held(raw, "cited", 0, 0)))
    assert "none of the 144 cited ids is a family of the landscape" in lines and "no citations" not in lines


@pytest.mark.parametrize(
    ("named", "cited"),
    [
        (lambda name: f"US{name[1:].zfill(6)}", lambda name: f"US {name[1:].zfill(4)}"),
        (lambda name: f"EP{name[1:]}B2", lambda name: f"EP{name[1:]}"),
        (lambda name: f"EP-{name[1:]}-A1", lambda name: f"ep 0{name[1:]}"),
    ],
)
def test_cited_numbers_in_another_spelling_are_resolved(
    tmp_path: Path, named: Callable[[str], str], cited: Callable[[str], str]
) -> None:
    rows = [one | {"family_id": named(one["family_id"]), "cites": list(map(cited, one["cites"]))} for one in SIXTY]
    raw = read(write(tmp_path / "own.jsonl", rows))
    assert len(raw.citations) == 144 and raw.notes["citations dropped, outside the landscape"] == 0
    assert raw.notes["cited numbers in another spelling than their family's, resolved"].startswith("144, such as ")
    assert scopes(raw) == SCOPES and "cited ids that look unlike family ids" not in raw.notes


def test_a_cited_number_of_two_families_or_of_none_is_left_as_it_is(tmp_path: Path) -> None:
    rows = [
        {"family_id": name, "title": "t", "abstract": "a", "cites": ["US 7", "f1", "EP-3-B1"], "publications": mine}
        for name, mine in (("US7A", ["EP3A1"]), ("US7B", []), ("F1", []))
    ]
    raw = read(write(tmp_path / "own.jsonl", rows))
    assert raw.citations.to_numpy().tolist() == [["F1", "US7A", ""], ["US7B", "US7A", ""]]
    assert raw.notes["citations dropped, outside the landscape"] == 6 and raw.notes["citations dropped, to itself"] == 1


def test_what_is_written_is_read_back_with_its_notes_and_has_the_same_bytes(tmp_path: Path) -> None:
    raw = own.parse(write(tmp_path / "own.jsonl", FAMILIES))
    said = raw.notes | {"format": ["one", "two"], "citations dropped, outside the landscape": 7}
    for name, rows in (("a", raw.families), ("b", raw.families.iloc[::-1])):
        own.write(replace(raw, families=rows, notes=said), tmp_path / f"{name}.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    back = own.parse(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(back.families, raw.families)
    pd.testing.assert_frame_equal(back.citations, raw.citations)
    assert {key: back.notes[key] for key in said} == said


def test_lists_of_cited_ids_or_numbers_in_another_spelling_are_split(tmp_path: Path) -> None:
    head = "family_id,title,abstract,publications,cites"
    rows = ["1,t,a,EP 1234567 A1,0002;0003", "2,t,a,US2013099542A1;DE102009047716A1,3", "3,t,a,,0001;0002"]
    (tmp_path / "own.csv").write_text("\n".join([head, *rows, ""]))  # a spreadsheet took zeros from lone numbers
    raw = own.parse(tmp_path / "own.csv")
    assert raw.citations.to_numpy().tolist() == [["2", "3", ""]]
    assert raw.notes["cited ids that look unlike family ids"].startswith("4, such as '0002' where a family is '2'")
    numbers = "EP1234567, US 2013/0099542 A1"
    rows = [rows[0].replace("0002;0003", "3"), rows[1], rows[2].replace("0001;0002", f'"{numbers}"')]
    (tmp_path / "own.csv").write_text("\n".join([head, *rows, ""]))
    assert own.parse(tmp_path / "own.csv").citations["cited_id"].tolist() == ["3", "3", "1", "2"]


def test_categories_are_one_for_each_cited_id(tmp_path: Path) -> None:
    rows = ["family_id,title,abstract,cites,categories", "A,t,a,B;nan;C,X;;Y examiner", "B,t,a,C;A;,;A;", "C,t,a,,"]
    (tmp_path / "own.csv").write_text("\n".join(rows))
    found = own.parse(tmp_path / "own.csv").citations.to_numpy().tolist()
    assert found == [["A", "B", "X"], ["A", "C", "Y examiner"], ["B", "A", "A"], ["B", "C", ""]]
    (tmp_path / "own.jsonl").write_bytes(line(cites=["G", "H"], categories=["X"]))
    with pytest.raises(UserError, match="1 categories, but 2 cites; give each of cites one"):
        own.parse(tmp_path / "own.jsonl")


def test_citations_out_of_the_landscape_are_no_fault(tmp_path: Path) -> None:
    raw = read(write(tmp_path / "own.jsonl", [one | {"cites": [*one["cites"], "US-1"]} for one in SIXTY]))
    assert raw.notes["citations dropped, outside the landscape"] == 60
    assert "cited ids that look unlike family ids" not in raw.notes


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
@pytest.mark.parametrize(
    "above", ["", "search URL:,https://example.org/?q=x\n", "sep=;\n\n", 'Results "of" a search\n7 lines;;\n']
)
def test_delimiter_and_header_of_a_sheet_are_found_and_said(tmp_path: Path, delimiter: str, above: str) -> None:
    join = ", ".join if delimiter != "," else ";".join
    raw = read(sheet(tmp_path / "own.CSV", join, delimiter=delimiter, above=above))
    assert raw.families["ipc"].tolist() == [one["ipc"] for one in SIXTY] and len(raw.citations) == 144
    assert raw.notes.get("lines above the header, left out", 0) == above.count("\n")
    said = {";": ["a semicolon"], "\t": ["a tab"], "|": ["a bar"]}.get(delimiter)
    assert raw.notes.get("fields separated by") == said


def test_a_header_without_the_columns_is_shown_as_it_was_found(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(
        "search URL:,https://example.org\nid,title,assignee,publication date\nUS-1-B2,Pump,Someone,2014-05-02\n"
    )
    with pytest.raises(
        UserError,
        match=r"header: column 'family_id' is missing \(did you mean id\?\)"
        r".*there are id, title, assignee, publication date",
    ):
        read(tmp_path / "own.csv")
    (tmp_path / "own.csv").write_text("Nummer;Titel;Anmelder\n1;Pumpe;Jemand\n")
    with pytest.raises(UserError, match=r"column 'family_id' is missing.*there are Nummer, Titel, Anmelder"):
        read(tmp_path / "own.csv")


@pytest.mark.parametrize("suffix", [".JSONL", ".Parquet", ".CSV", ".JsonL.GZ"])
def test_suffixes_are_known_in_capitals(suffix: str) -> None:
    assert own.suffix(Path(f"Own{suffix}")) == suffix.lower()


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".parquet", ".xlsx"])
@pytest.mark.parametrize("name", ["x.dat", "x", "x.jsonl", "x.csv", "x.parquet"])
def test_a_file_is_known_by_its_content_whatever_its_name(tmp_path: Path, suffix: str, name: str) -> None:
    plain = write(tmp_path / f"own{'.csv' if suffix in ('.csv.gz', '.xlsx') else suffix}", SIXTY)
    if suffix == ".csv.gz":
        (tmp_path / name).write_bytes(gzip.compress(plain.read_bytes()))
    elif suffix == ".xlsx":
        with plain.open(encoding="utf-8", newline="") as rows:
            spreadsheet([["Our families"], [], *csv.reader(rows)], tmp_path / name)
    else:
        (tmp_path / name).write_bytes(plain.read_bytes())
    assert own.kind(Source(tmp_path / name)) == suffix
    assert own.READERS[own.suffix(tmp_path / name)] is own.READERS[suffix]
    raw, right = read(tmp_path / name), read(plain)
    pd.testing.assert_frame_equal(raw.families, right.families)
    pd.testing.assert_frame_equal(raw.citations, right.citations)


def test_what_is_not_in_our_own_form_does_not_look_so(tmp_path: Path) -> None:
    for content in (b"", b"family_id", b"\0\1", b'{"id": 1}', b"[]", b"PAR1", b"id,title\n1,2\n", b"PK\x03\x04x"):
        (tmp_path / "x.dat").write_bytes(content)
        with pytest.raises(UserError, match=r"x\.dat: (unknown kind of file|damaged)"):
            own.parse(tmp_path / "x.dat")
        (tmp_path / "x.csv").write_bytes(content)
        with pytest.raises(UserError, match=r"x\.csv: (no family in it|header: column|damaged)"):
            own.parse(tmp_path / "x.csv")


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_a_table_in_another_encoding_is_refused_with_the_mend(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "own.csv").write_bytes("family_id,title,abstract\nA,Größe,a\n".encode(encoding))
    with pytest.raises(UserError, match=r"own\.csv: after row 1: not UTF-8; save the file as UTF-8"):
        own.parse(tmp_path / "own.csv")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_json_of_wide_letters_is_refused_with_the_mend(
    tmp_path: Path, encoding: str, indent: int | None, suffix: str
) -> None:
    content = json.dumps(SIXTY, indent=indent).encode(encoding)
    path = tmp_path / f"own{suffix}"
    path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    with pytest.raises(UserError, match=rf"own{suffix}: {encoding.upper()}, not UTF-8; save the file as UTF-8"):
        own.parse(path)


def test_a_header_again_is_refused_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("family_id,title,abstract\na,b,c\nd,e,f\nfamily_id,title,abstract\ng,h,i\n")
    with pytest.raises(UserError, match=r"x\.csv: row 3: repeats the header, .*; remove it$"):
        own.parse(tmp_path / "x.csv")


@pytest.mark.parametrize("indent", [None, 1, 4])
@pytest.mark.parametrize("whole", [True, False])
def test_arrays_and_objects_over_many_lines_are_read(tmp_path: Path, indent: int | None, whole: bool) -> None:
    text = json.dumps(SIXTY, indent=indent) if whole else "\n".join(json.dumps(one, indent=indent) for one in SIXTY)
    for name, content in (
        ("own.jsonl", text.encode()),
        ("own.json", b"\xef\xbb\xbf" + text.encode()),
        ("own.jsonl.gz", gzip.compress(text.encode())),
    ):
        (tmp_path / name).write_bytes(content)
        raw = read(tmp_path / name)
        assert len(raw.families) == 60 and scopes(raw) == SCOPES


def test_columns_under_other_names_are_hinted_at_and_the_rest_counted(tmp_path: Path) -> None:
    header = [
        "family_id",
        "title",
        "abstract",
        "IPCR",
        "Publication Date",
        "Citations",
        *(f"Field {i:02d}" for i in range(24)),
    ]
    (tmp_path / "own.csv").write_text(",".join(header) + "\n" + ",".join(["F1", "t", "a", *"x" * 27]) + "\n")
    notes = read(tmp_path / "own.csv").notes
    (hints,) = [value for key, value in notes.items() if key.startswith("columns that may be known ones")]
    assert hints == ["Citations (cites?)", "IPCR (ipc?)", "Publication Date (date?)"]
    assert len(notes["columns ignored"]) == 21 and notes["columns ignored"][-1] == "and 7 more"


def test_families_that_share_a_text_are_counted_and_named(tmp_path: Path) -> None:
    double = [dict(SIXTY[number]) | {"family_id": f"E{number:03d}"} for number in range(12)]
    raw = read(write(tmp_path / "own.jsonl", [*SIXTY, *double]))
    key = "families that share title, abstract and claims with another"
    assert raw.notes[key] == "24 of 72, such as F000 and E000"
    blank = [{"family_id": f"N{i}", "title": "", "abstract": ""} for i in range(3)]  # no text is no shared text
    assert key not in read(write(tmp_path / "own.jsonl", [*SIXTY, *blank])).notes


def test_a_hundred_thousand_columns_take_seconds(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(100_000)]
    (tmp_path / "own.csv").write_text(
        ",".join(["family_id", "title", "abstract", *names]) + "\n" + ("F1,t,a" + ",x" * 100_000 + "\n")
    )
    (tmp_path / "twice.csv").write_text(",".join(["family_id", "title", "abstract", *names, "c7"]) + "\n")
    start = time.process_time()
    assert read(tmp_path / "own.csv").notes["columns ignored"][-1] == "and 99,980 more"
    with pytest.raises(UserError, match="column 'c7' is given twice"):
        read(tmp_path / "twice.csv")
    assert time.process_time() - start < 5


def test_long_lists_in_one_cell_take_no_time(tmp_path: Path) -> None:
    many, cited = "A01B1/00 (EP,US)," * 9000, ",".join(f"X{i}" for i in range(9000))
    (tmp_path / "own.csv").write_text(
        f'family_id,title,abstract,ipc,cites\nA,t,a,"{many}",\nB,u,b,G06F1/00,"{cited},A"\n'
    )
    start = time.process_time()
    raw = read(tmp_path / "own.csv")
    assert time.process_time() - start < 3
    assert raw.families["ipc"].tolist() == [["A01B1/00"], ["G06F1/00"]] and len(raw.citations) == 1


@pytest.mark.parametrize("kind", ["zeros", "lines", "members", "brackets"])
def test_a_gzip_bomb_is_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "own.jsonl.gz"
    mega = 1 << 20
    content = {
        "zeros": b"\0" * mega,
        "lines": (GOOD * (mega // len(GOOD) + 1)),
        "members": b" " * mega,
        "brackets": b"[" * mega,
    }[kind]
    if kind == "members":
        path.write_bytes(gzip.compress(content) * 80)
    else:
        with gzip.open(path, "wb", compresslevel=1) as handle:
            for _ in range(80):
                handle.write(content)
    tracemalloc.start()
    with pytest.raises(UserError, match=r"own\.jsonl\.gz: (expands to more than 64 MiB|line 2: family_id)") as error:
        read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "\n" not in str(error.value) and peak < 1 << 30


def test_a_landscape_that_compresses_as_text_does_is_no_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_ROOM", 1 << 10)
    assert len(read(write(tmp_path / "own.jsonl.gz", SIXTY)).families) == 60
    frame = pd.DataFrame({"family_id": [f"F{i}" for i in range(3000)], "title": "t" * 10_000, "abstract": "a"})
    frame.to_parquet(tmp_path / "own.parquet")
    with pytest.raises(UserError, match=r"own\.parquet: expands to more than"):
        read(tmp_path / "own.parquet")


@pytest.mark.parametrize("broken", ["cut", "flipped", "checksum", "tail", "header"])
def test_damaged_gzip_is_one_line(tmp_path: Path, broken: str) -> None:
    whole = gzip.compress("".join(json.dumps(one) + "\n" for one in SIXTY).encode(), mtime=0)
    half = len(whole) // 2
    content = {
        "cut": whole[:half],
        "flipped": whole[:half] + bytes([whole[half] ^ 0xFF]) + whole[half + 1 :],
        "checksum": whole[:-8] + b"\0" * 8,
        "tail": whole + b"trailing",
        "header": whole[:2] + b"\x01" + whole[3:],
    }[broken]
    (tmp_path / "own.jsonl.gz").write_bytes(content)
    with pytest.raises(UserError) as error:
        read(tmp_path / "own.jsonl.gz")
    assert str(error.value).startswith(f"{tmp_path}/own.jsonl.gz: ") and "\n" not in str(error.value)
