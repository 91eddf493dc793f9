"""Each export is read right, by the name of its format and by its looks alone, and looks like no other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from harness import EXPORTS, RIGHT, check_records, read, row

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
