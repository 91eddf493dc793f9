"""Exports through the command: kept in our own form, and `show` says again what `add` said."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from own_files import families, kept_files, prepare, write
from workspaces import ROOT

from patent_embeddings.core import layout, registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256
from patent_embeddings.corpus import own
from stages import landscape as landscape_stage

EXPORTS = ROOT / "tests/exports"
FILES = sorted(path.name for path in EXPORTS.iterdir())


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path, monkeypatch)
    return tmp_path


def entry(name: str = "own") -> dict[str, Any]:
    return yaml.safe_load(layout.registry("landscapes").read_text(encoding="utf-8"))[name]


def shown(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[str]]:
    """What was said of the landscape when it was added, and what `show` says."""
    said = capsys.readouterr().out.splitlines()
    registry._read.cache_clear()
    landscape_stage.show("own")
    again = capsys.readouterr().out.splitlines()
    assert said[-1] == "page:       reports/landscapes/own.html"
    done = next(place for place, line in enumerate(said) if line.startswith(("added own", "replaced own")))
    return said[:done], again[again.index("families") :]


@pytest.mark.parametrize("name", FILES)
def test_an_export_is_kept_in_our_own_form(name: str, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    landscape_stage.add("own", [EXPORTS / name])
    said, again = shown(capsys)
    assert said == again
    found = entry()
    assert found["file"] == "data/raw/own.parquet" and found["sha256"] == sha256(Path(found["file"]))
    assert [one["name"] for one in found["read"]["files"]] == [name] and "select" not in found["read"]
    assert str(EXPORTS) not in layout.registry("landscapes").read_text(encoding="utf-8")
    assert kept_files() == ["data/raw/own.parquet", "data/raw/own.parquet.dvc"]
    if (EXPORTS / name).is_file():  # under another name, found out or named: the same table
        renamed = workspace / "renamed.dat"
        shutil.copy(EXPORTS / name, renamed)
        landscape_stage.add("other", [renamed], format=found["read"]["format"])
        landscape_stage.add("third", [renamed])
        assert entry("other")["sha256"] == entry("third")["sha256"]
        first, third = (own.parse(Path(one["file"])) for one in (found, entry("third")))
        assert first.families.equals(third.families) and first.citations.equals(third.citations)


def test_what_is_selected_is_said(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    landscape_stage.add("own", [EXPORTS / "bigquery.jsonl"], classes="A01G", since="2005-01-01", jurisdiction="us,ep")
    said, again = shown(capsys)
    assert said == again and any("publications left out by --class: " in line for line in said)
    asked = {"classes": ["A01G"], "since": "2005-01-01", "jurisdictions": ["US", "EP"]}
    assert entry()["read"]["select"] == asked


def test_a_part_of_a_file_in_our_own_form(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    landscape_stage.add("own", [write(workspace / "own.jsonl", families())], since="2002-01-01")
    said, again = shown(capsys)
    assert said == again and "  families: 2" in said and "  citations kept: 1" in said
    assert entry()["read"] == {
        "format": "own", "files": [{"name": "own.jsonl", "sha256": sha256(workspace / "own.jsonl")}],
        "select": {"since": "2002-01-01"},
    }  # fmt: skip


def test_a_family_in_our_own_form_is_selected_by_any_of_its_numbers(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{**one, "jurisdiction": ""} for one in families(5)]
    rows[0]["publication"] = "EP1000001A1"
    rows[1] |= {"publication": "US7000001B2", "publications": ["EP1000002A1", "US7000001B2"]}
    rows[2]["family_id"] = "EP1000003A1"
    rows[3]["publication"] = "EP1000004A1"
    file, ids = write(workspace / "own.jsonl", rows), workspace / "ids.txt"
    ids.write_text("EP 1000001\nEP1000002\nEP1000003 A1\nF4\n")
    landscape_stage.add("own", [file], ids=ids)
    kept = own.parse(Path(entry()["file"])).families["family_id"]
    assert kept.tolist() == ["EP1000003A1", "F0", "F1", "F4"]
    assert not any("nothing here has" in line for line in shown(capsys)[0])
    landscape_stage.add("european", [file], jurisdiction="EP")
    kept = own.parse(Path(entry("european")["file"])).families["family_id"]
    assert kept.tolist() == ["EP1000003A1", "F0", "F1", "F3"]


def test_queries_and_judgements_are_kept_beside(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions, answers = workspace / "questions.csv", workspace / "answers.csv"
    questions.write_text("query_id,text\nq1,how does a pump work?\nq2,which pump is it?\n")
    answers.write_text("query_id,family_id,relevance\nq1,F0,3\nq1,F2,1\nq2,F3,2\n")
    file = write(workspace / "own.jsonl", families())
    landscape_stage.add("own", [file], queries=questions, qrels=answers, threshold=2)
    said, again = shown(capsys)
    assert said == again and "  queries: 2 queries with a relevant family (judged), 3 judged pairs" in said
    assert "  of grade 2 or more, which R@100, AP and RR count: 2 pairs" in said
    with pytest.raises(UserError, match=r"the highest grade of the judgements is 3, .*give --threshold 3 or less"):
        landscape_stage.replace("own", [file], queries=questions, qrels=answers, threshold=4)
    found = entry()
    assert (found["relevance"], found["threshold"]) == ("judged", 2)
    for key in ("queries", "qrels"):
        assert found[key] == {"file": f"data/raw/own.{key}.parquet", "sha256": sha256(Path(found[key]["file"]))}
    with pytest.raises(UserError, match="give --qrels again, or --relevance cited"):
        landscape_stage.replace("own", [file])
    landscape_stage.replace("own", [file], relevance="cited")
    assert kept_files() == ["data/raw/own.jsonl", "data/raw/own.jsonl.dvc"] and "threshold" not in entry()
    landscape_stage.replace("own", [file], queries=questions, qrels=answers)
    assert len(kept_files()) == 6
    landscape_stage.remove("own")
    assert kept_files() == []


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        (["none.csv"], {}, r"none\.csv: no such file or folder"),
        (
            ["bigquery.jsonl"],
            {"format": "bigqery"},
            "no format 'bigqery' .did you mean bigquery.*; formats are .*uspto.*, own",
        ),
        (["bigquery.jsonl"], {"format": "derwent"}, r"bigquery\.jsonl"),
        (
            ["own.jsonl"],
            {"format": "bigquery"},
            r"own\.jsonl: no export of bigquery, but in our own form; leave out --fo",
        ),
        (["page.html"], {"format": "lens"}, r"page\.html: no export of lens; it begins with '<html>'; name its format"),
        (["bigquery.jsonl", "derwent.ciw"], {}, r"derwent\.ciw: a file of derwent, but bigquery\.jsonl is one of"),
        (["bigquery.jsonl"], {"classes": "H99"}, "none of 27 publications is selected; --class alone leaves out 27"),
        (["own.jsonl"], {"classes": "H99"}, r"own\.jsonl: none of 4 .* is selected; --class alone leaves out 4"),
        (["own.jsonl", "own.jsonl"], {}, "a second file in our own form"),
        (["own.jsonl"], {"queries": Path("q.csv")}, "name the judgements by --qrels"),
        (["own.jsonl"], {"threshold": 2}, "--threshold: applies to judgements only"),
        (["empty"], {}, "empty"),
        (["pipe"], {}, "pipe: a pipe or a device, which can be read only once; save it as a file"),
        (["own.jsonl"], {"qrels": Path("pipe")}, "pipe: a pipe or a device"),
        (["own.jsonl"], {"qrels": Path("gone")}, "gone: no such file or folder"),
        (["own.zip"], {}, r"own\.zip: own\.jsonl in it is in our own form, .*; unpack it, and name that file"),
        (["ours"], {}, r"ours: own\.jsonl in it is in our own form, .* read by itself; name that file"),
        (["packed.zip"], {}, r"packed\.zip: own\.zip in it is in our own form, or holds a file that is, .*; unpack it"),
        (["columns.zip"], {}, r"columns\.zip: own\.parquet in it is in our own form, .*; unpack it"),
        (["page.html"], {}, r"page\.html: no known export; it begins with '<html>'"),
    ],
)
def test_what_cannot_be_added_is_said_in_one_line(
    workspace: Path, files: list[str], options: dict[str, Any], message: str
) -> None:
    write(workspace / "own.jsonl", families())
    for folder in ("empty", "ours"):
        Path(folder).mkdir()
    write(workspace / "ours" / "own.jsonl", families())
    pd.DataFrame(families()).to_parquet("own.parquet")
    for inner, outer in (("own.jsonl", "own.zip"), ("own.zip", "packed.zip"), ("own.parquet", "columns.zip")):
        with zipfile.ZipFile(outer, "w") as archive:
            archive.write(inner)
    Path("page.html").write_text("<html>\n<body>\n")
    os.mkfifo("pipe")
    paths = [EXPORTS / name if (EXPORTS / name).exists() else workspace / name for name in files]
    with pytest.raises(UserError, match=message) as caught:
        landscape_stage.add("own", paths, **options)
    assert "\n" not in str(caught.value) and kept_files() == []
