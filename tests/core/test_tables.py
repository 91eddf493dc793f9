from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from patent_embeddings.core import tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.vectors import ROWS
from patent_embeddings.corpus.schemas import FAMILIES
from patent_embeddings.evaluation.schemas import SCORES
from patent_embeddings.retrieval.schemas import RUN


def families(**changes: object) -> pd.DataFrame:
    rows = {
        "family_id": ["b", "a"],
        "title": ["x", "y"],
        "abstract": ["", "z"],
        "claims": ["", ""],
        "description": ["", ""],
        "ipc": [["A01B1/02"], []],
        "cpc": [[], []],
        "jurisdiction": ["US", ""],
        "date": ["1999-01-02", ""],
        "labels": [["p", "q"], []],
        **{name: [[], []] for name in ("domains", "publications", "applicants")},
        **{name: ["", ""] for name in ("priority", "publication", "url")},
    }
    return pd.DataFrame(rows | changes)[list(FAMILIES.columns)]


def run(**changes: object) -> pd.DataFrame:
    rows = {
        "query_id": ["q", "q", "r"],
        "family_id": ["a", "b", "a"],
        "rank": [1, 2, 1],
        "score": np.array([2, 2, 1], dtype="float32"),
    }
    return pd.DataFrame(rows | changes)


def score(value: float, low: float, high: float) -> pd.DataFrame:
    columns = list(SCORES.columns)
    return pd.DataFrame([("l", False, "retrieval", "dense", "all", "RR", value, low, high, 3)], columns=columns)


def test_same_rows_give_same_bytes_whatever_their_order(tmp_path: Path) -> None:
    tables.write(families(), tmp_path / "one.parquet", FAMILIES)
    tables.write(families().iloc[::-1], tmp_path / "two.parquet", FAMILIES)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_what_is_read_is_what_was_written_sorted_by_key(tmp_path: Path) -> None:
    tables.write(families(), tmp_path / "f.parquet", FAMILIES)
    back = tables.read(tmp_path / "f.parquet", FAMILIES)
    assert back["family_id"].tolist() == ["a", "b"]
    assert [list(codes) for codes in back["ipc"]] == [[], ["A01B1/02"]]
    assert pq.read_schema(tmp_path / "f.parquet").metadata is None


def test_a_score_with_and_without_its_interval_is_read_back(tmp_path: Path) -> None:
    for bounds in ((0.4, 0.6), (0.5, 0.5), (np.nan, np.nan)):
        tables.write(score(0.5, *bounds), tmp_path / "s.parquet", SCORES)
        pd.testing.assert_frame_equal(tables.read(tmp_path / "s.parquet", SCORES), score(0.5, *bounds))


@pytest.mark.parametrize(
    ("frame", "table", "said"),
    [
        (families(family_id=["a", "a"]), FAMILIES, "duplicate key"),
        (families(title=["x", None]), FAMILIES, "nan is not text"),
        (families(title=["x", 3]), FAMILIES, "3 is not text"),
        (families(family_id=["", "a"]), FAMILIES, "'family_id': empty"),
        (families(ipc=["A01B", "B"]), FAMILIES, "is not a list"),
        (run(rank=[1, 3, 1]), RUN, "ranks are not 1, 2, 3"),
        (run(score=np.array([1, 2, 1], dtype="float32")), RUN, "scores increase"),
        (run(score=np.array([1, np.nan, 1], dtype="float32")), RUN, "'score'"),
        (run(score=np.array([np.inf, 1, 1], dtype="float32")), RUN, "not a finite number"),
        (score(np.nan, np.nan, np.nan), SCORES, "'value'"),
        (score(0.5, 0.6, 0.7), SCORES, "value lies outside of ci_low to ci_high"),
        (score(0.5, 0.4, np.nan), SCORES, "value lies outside of ci_low to ci_high"),
        (score(0.5, -np.inf, 0.7), SCORES, "value lies outside of ci_low to ci_high"),
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
        tables.read(path, RUN)
    pq.write_table(pa.table({"query_id": ["q"]}), path)
    with pytest.raises(UserError, match="column 'family_id' is missing"):
        tables.read(path, RUN)
    pq.write_table(pa.table({"family_id": pa.array([None], pa.string())}), path)
    with pytest.raises(UserError, match=r"'family_id', row 0: .* is not text"):
        tables.read(path, ROWS)


def test_truncated_and_flipped_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    tables.write(families(), path, FAMILIES)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="damaged parquet"):
        tables.read(path, FAMILIES)
    with pytest.raises(UserError, match="no such file"):
        tables.read(tmp_path / "absent.parquet", FAMILIES)


def broken(rows: list[tuple[str, str, int, float]]) -> str | None:
    """What is wrong with a run, told row by row."""
    by_query: dict[str, list[tuple[int, float, str]]] = {}
    for query, family, rank, score in rows:
        by_query.setdefault(query, []).append((rank, score, family))
    for found in by_query.values():
        if [rank for rank, *_ in sorted(found)] != list(range(1, len(found) + 1)):
            return "ranks are not 1, 2, 3"
    for found in by_query.values():
        scores = [score for _, score, _ in sorted(found)]
        if scores != sorted(scores, reverse=True):
            return "scores increase"
    if any(len({family for *_, family in found}) < len(found) for found in by_query.values()):
        return "a family twice"
    return None


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("categorical", [False, True])
def test_a_run_is_whole_exactly_where_its_rows_are(seed: int, categorical: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        (query, family, rank, float(10 - rank))
        for query in "pqr"
        for rank, family in enumerate(rng.permutation(list("abcd"))[: rng.integers(1, 5)], 1)
    ]
    place = int(rng.integers(len(rows)))
    query, family, rank, score = rows[place]
    fault = seed % 5
    if fault == 1:
        rows[place] = (query, family, rank + 1, score)
    if fault == 2:
        rows[place] = (query, family, rank, score - 1.5)
    if fault == 3:
        rows[place] = (query, rows[place - 1][1], rank, score)
    if fault == 4:
        rows.append(rows[place])
    shuffled = [rows[i] for i in rng.permutation(len(rows))] if seed % 2 else rows
    frame = pd.DataFrame(shuffled, columns=list(RUN.columns)).astype(
        {"query_id": "str", "family_id": "str", "score": "float32"}
    )
    if categorical:
        frame = frame.astype({"query_id": "category", "family_id": "category"})
    if said := broken(rows):
        with pytest.raises(UserError, match=said):
            tables.write(frame, tmp_path / "run.parquet", RUN)
        return
    tables.write(frame, tmp_path / "run.parquet", RUN)
    back = tables.read(tmp_path / "run.parquet", RUN)
    assert back.astype({"query_id": "str", "family_id": "str"}).to_records(index=False).tolist() == rows


def test_rows_are_sorted_by_text_whatever_the_order_of_categories(tmp_path: Path) -> None:
    frame = run(query_id=["r", "r", "q"]).astype({"family_id": "category"})
    for name, order in (("one", ["r", "q"]), ("two", ["q", "r"])):
        ordered = frame.assign(query_id=pd.Categorical(frame["query_id"], categories=order))
        tables.write(ordered, tmp_path / name, RUN)
        assert pq.read_table(tmp_path / name)["query_id"].to_pylist() == ["q", "r", "r"]
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("group", [1, 2, 3, 5, 100])
def test_parts_of_a_run_are_whole_rankings_wherever_row_groups_end(group: int, tmp_path: Path) -> None:
    rows = [(f"q{q}", f"f{(q + r) % 9}", r + 1, 1.0 / (r + 1)) for q, n in enumerate((4, 1, 2, 6, 3)) for r in range(n)]
    whole = tables.typed(pd.DataFrame(rows, columns=list(RUN.columns)), RUN)
    tables.write(whole, tmp_path / "run.parquet", RUN)
    pq.write_table(pq.read_table(tmp_path / "run.parquet"), tmp_path / "cut.parquet", row_group_size=group)
    found = list(tables.parts(tmp_path / "cut.parquet", RUN))
    pd.testing.assert_frame_equal(pd.concat([one.astype({"query_id": "str", "family_id": "str"}) for one in found],
                                            ignore_index=True), whole)  # fmt: skip
    asked = [set(one["query_id"]) for one in found]
    assert sum(map(len, asked)) == 5 and (len(found) == 1) == (group == 100)


def test_parts_that_are_written_are_the_table(tmp_path: Path) -> None:
    tables.write(run(), tmp_path / "whole.parquet", RUN)
    tables.write_parts([run()[:2], run()[2:]], tmp_path / "parts.parquet", RUN)
    written = [tables.read(tmp_path / f"{name}.parquet", RUN).astype(str) for name in ("whole", "parts")]
    pd.testing.assert_frame_equal(*written)
    assert pq.ParquetFile(tmp_path / "parts.parquet").num_row_groups == 2


def test_parts_out_of_order_or_broken_are_refused(tmp_path: Path) -> None:
    tables.write_parts([run()[2:], run()[:2]], tmp_path / "r.parquet", RUN)
    with pytest.raises(UserError, match=r"r\.parquet: its rows are not sorted"):
        list(tables.parts(tmp_path / "r.parquet", RUN))
    with pytest.raises(UserError, match=r"ranks are not 1, 2, 3"):
        tables.write_parts([run()[:2], run(rank=[1, 2, 2])[2:]], tmp_path / "s.parquet", RUN)
    assert not (tmp_path / "s.parquet").exists()
