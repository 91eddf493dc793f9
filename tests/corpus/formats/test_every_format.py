"""Each export is read right, by the name of its format and by its looks alone, and looks like no other."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from harness import EXPORTS, RIGHT, check_records, read, row, spreadsheet

from patent_embeddings.corpus.formats import FORMATS
from patent_embeddings.corpus.reading.source import Source

SEVERAL = ("lens", "bigquery", "uspto")  # formats whose files have longer names than they


@pytest.mark.parametrize("file", RIGHT)
def test_right_table_by_format_and_by_looks(file: str, tmp_path: Path) -> None:
    right = next((name for name in SEVERAL if file.startswith(name)), file.split(".")[0])
    renamed = tmp_path / "x.dat"
    (shutil.copytree if (EXPORTS / file).is_dir() else shutil.copyfile)(EXPORTS / file, renamed)
    named = read(EXPORTS / file, right)
    assert row(named) == row(read(renamed)) == RIGHT[file]
    check_records(named, file)
    assert [one.name for one in FORMATS if one.looks(Source(renamed))] == [right]


def test_spreadsheets_of_a_folder_are_read_like_its_tables(tmp_path: Path) -> None:
    with (EXPORTS / "lens-2020.csv").open(encoding="utf-8", newline="") as rows:
        head, *table = csv.reader(rows)
    for name, part in {"1.xlsx": table[::2], "2.xlsx": table[1::2], "notes.xlsx": []}.items():
        spreadsheet([head, *part] if part else [["Read me"]], tmp_path / name)
    raw = read(tmp_path)
    assert row(raw) == RIGHT["lens-2020.csv"]
    assert raw.notes["files of no known export, left out"] == "1, such as notes.xlsx"


def test_hidden_files_of_a_folder_are_none_and_all_others_are_read(tmp_path: Path) -> None:
    for name in (".lens.csv", "__MACOSX/lens.csv", ".cache/lens.csv", "_lens.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(EXPORTS / "lens-2023.csv", tmp_path / name)
    assert Source(tmp_path).members == ["_lens.csv"]
    assert row(read(tmp_path)) == RIGHT["lens-2023.csv"]


def test_a_spreadsheet_behind_many_tables_of_a_folder_is_read_too(tmp_path: Path) -> None:
    with (EXPORTS / "lens-2020.csv").open(encoding="utf-8", newline="") as rows:
        head, *table = csv.reader(rows)
    for number in range(6):
        with (tmp_path / f"{number}.csv").open("w", encoding="utf-8", newline="") as part:
            csv.writer(part).writerows([head, *table[number:20:6]])
    spreadsheet([head, *table[20:]], tmp_path / "rest.xlsx")
    assert row(read(tmp_path)) == RIGHT["lens-2020.csv"]
