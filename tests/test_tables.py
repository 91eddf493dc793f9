from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages import tables
from stages.errors import UserError


def families(**changes: object) -> pd.DataFrame:
    rows = {"family_id": ["b", "a"], "title": ["x", "y"], "abstract": ["", "z"], "claims": ["", ""], "description": ["", ""],
            "ipc": [["A01B1/02"], []], "cpc": [[], []], "jurisdiction": ["US", ""], "date": ["1999-01-02", ""], "labels": [["p", "q"], []]}  # fmt: skip
    return pd.DataFrame(rows | changes)


def run(**changes: object) -> pd.DataFrame:
    rows = {
        "query_id": ["q", "q", "r"],
        "family_id": ["a", "b", "a"],
        "rank": [1, 2, 1],
        "score": np.array([2, 2, 1], dtype="float32"),
    }
    return pd.DataFrame(rows | changes)


def test_same_rows_give_same_bytes_whatever_their_order(tmp_path: Path) -> None:
    tables.write(families(), tmp_path / "one.parquet", tables.FAMILIES)
    tables.write(families().iloc[::-1], tmp_path / "two.parquet", tables.FAMILIES)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_what_is_read_is_what_was_written_sorted_by_key(tmp_path: Path) -> None:
    tables.write(families(), tmp_path / "f.parquet", tables.FAMILIES)
    back = tables.read(tmp_path / "f.parquet", tables.FAMILIES)
    assert back["family_id"].tolist() == ["a", "b"]
    assert [list(codes) for codes in back["ipc"]] == [[], ["A01B1/02"]]
    assert pq.read_schema(tmp_path / "f.parquet").metadata is None


@pytest.mark.parametrize(
    ("frame", "table", "said"),
    [
        (families(family_id=["a", "a"]), tables.FAMILIES, "duplicate key"),
        (families(title=["x", None]), tables.FAMILIES, "nan is not text"),
        (families(title=["x", 3]), tables.FAMILIES, "3 is not text"),
        (families(family_id=["", "a"]), tables.FAMILIES, "'family_id': empty"),
        (families(ipc=["A01B", "B"]), tables.FAMILIES, "is not a list"),
        (run(rank=[1, 3, 1]), tables.RUN, "ranks are not 1, 2, 3"),
        (run(score=np.array([1, 2, 1], dtype="float32")), tables.RUN, "scores increase"),
        (run(score=np.array([1, np.nan, 1], dtype="float32")), tables.RUN, "'score'"),
        (run(score=np.array([np.inf, 1, 1], dtype="float32")), tables.RUN, "not a finite number"),
    ],
)
def test_a_frame_that_breaks_its_schema_is_not_written(
    frame: pd.DataFrame, table: tables.Table, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        tables.write(frame, tmp_path / "t.parquet", table)
    assert list(tmp_path.iterdir()) == []


def test_read_names_file_column_and_mend(tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    pq.write_table(
        pa.table({"query_id": ["q"], "family_id": ["a"], "rank": [1.0], "score": pa.array([1], pa.float32())}), path
    )
    with pytest.raises(UserError, match=r"run\.parquet: column 'rank' is double, expected int64; .*dvc repro"):
        tables.read(path, tables.RUN)
    pq.write_table(pa.table({"query_id": ["q"]}), path)
    with pytest.raises(UserError, match="column 'family_id' is missing"):
        tables.read(path, tables.RUN)
    pq.write_table(pa.table({"family_id": pa.array([None], pa.string())}), path)
    with pytest.raises(UserError, match=r"'family_id', row 0: .* is not text"):
        tables.read(path, tables.ROWS)


def test_truncated_and_flipped_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    tables.write(families(), path, tables.FAMILIES)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="damaged parquet"):
        tables.read(path, tables.FAMILIES)
    with pytest.raises(UserError, match="no such file"):
        tables.read(tmp_path / "absent.parquet", tables.FAMILIES)
