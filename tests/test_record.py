"""A record keeps what retrieval came to when experiments and their code version are gone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from planted import Planted

from patent_embeddings.core import registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.grid import beyond, record
from patent_embeddings.grid.entries import Protocol

TASKS = ("retrieval", "classification", "clustering")


def cells(seed: int = 0, gain: float = 0.1) -> Planted:
    plant = Planted(12)
    for place in ("a", "b"):
        plant.cell(0.4, place, tasks=TASKS)
        plant.cell(0.4 + (gain if place == "a" else 0.0), place, recipe="r1", trained_on="a", seed=seed, tasks=TASKS)
    return plant


def test_the_frontier_of_a_record_is_that_of_its_grid(tmp_path: Path) -> None:
    path = tmp_path / "record.parquet"
    first = cells().frame()
    assert record.add(first, path) == (10, 10)  # two recipes, five folds
    alone, more = record.joined(first.head(0), path)
    assert more == 10 and set(alone["task"]) == {"retrieval"}
    pd.testing.assert_frame_equal(beyond.frontier(alone, 0.02, 200), beyond.frontier(first, 0.02, 200))


def test_what_the_grid_has_is_not_taken_from_the_record(tmp_path: Path) -> None:
    path = tmp_path / "record.parquet"
    record.add(cells(gain=-0.3).frame(), path)
    better = cells(gain=0.1).frame()
    both, more = record.joined(better, path)
    assert more == 0
    pd.testing.assert_frame_equal(both, better)
    assert record.add(cells(gain=0.1).frame(), path) == (10, 10)
    found, _ = record.joined(better.head(0), path)
    assert beyond.frontier(found, 0.02, 200)["home"].item() > 0


def test_a_cell_that_was_computed_twice_is_recorded_once(tmp_path: Path) -> None:
    """As two experiments: on two landscapes, and on these and a third."""
    outcomes = cells().frame()
    more = pd.concat([outcomes.assign(cell=outcomes["cell"] + "-more"), Planted(12).cell(0.4, "c").frame()])
    assert record.add(pd.concat([outcomes, more], ignore_index=True), tmp_path / "record.parquet") == (10, 10)
    other = more.assign(value=more["value"] + 0.1)
    with pytest.raises(UserError, match="are the same cell, but their outcomes differ"):
        record.add(pd.concat([outcomes, other], ignore_index=True), tmp_path / "other.parquet")
    assert not (tmp_path / "other.parquet").exists()


def test_a_record_that_differs_from_the_experiments_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, both = tmp_path / "record.parquet", cells().frame()
    record.add(cells(seed=1).frame(), path)
    record.joined(pd.concat([both, both.assign(metric="nDCG@100", value=0.0)], ignore_index=True), path)
    assert not capsys.readouterr().err
    zero = both["recipe"] == "zero-shot"
    record.joined(both.assign(value=both["value"].where(~zero, both["value"] + 0.01)), path)
    assert "outcomes that" in (said := capsys.readouterr().err) and "differ from theirs" in said


def test_seeds_of_several_sessions_add_up_and_order_changes_no_byte(tmp_path: Path) -> None:
    ways = tmp_path / "one.parquet", tmp_path / "other.parquet"
    for path, seeds in zip(ways, ((0, 1), (1, 0)), strict=True):
        record.add(cells(seeds[0]).frame(), path)
        assert record.add(cells(seeds[1]).frame(), path) == (15, 10)  # a zero-shot cell has no seed of its own
    assert ways[0].read_bytes() == ways[1].read_bytes()
    both, more = record.joined(cells(0).frame(), ways[0])
    assert more == 5 and set(both.loc[both["recipe"] == "r1", "seed"]) == {0, 1}


def test_a_record_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "record.parquet").write_text("no parquet", encoding="utf-8")
    cells().frame().drop(columns="split").to_parquet(tmp_path / "older.parquet")
    said = {
        "record.parquet": "damaged parquet .*; take it from git again",
        "older.parquet": "column 'split' is missing; take it from git again, or compute it anew",
        "absent.parquet": "no such record; `python -m stages.grid measure` makes one",
    }
    for name, fault in said.items():
        with pytest.raises(UserError, match=f"{name}: {fault}"):
            record.joined(cells().frame(), tmp_path / name)


def test_the_record_of_this_repository_confirms_nothing() -> None:
    path = Path(__file__).parents[1] / "reports/record.parquet"
    found, cells_ = record.joined(cells().frame().head(0), path)
    assert cells_ > 0
    assert list(beyond.grounds(found, registry.entry("protocol", "robust", Protocol))) == ["exploratory", "simulated"]
    # As an independent implementation has it, over all queries of each file.
    dense = found[found[["recipe", "variant", "split", "system", "scope"]].eq(["zero-shot", "", "test", "dense", "all"]).all(axis=1)]  # fmt: skip
    means = dense[~dense["simulated"]].groupby("landscape")["value"].mean().round(3).to_dict()
    assert means == {"nighttime-driver": 0.208, "offshore-plant": 0.110, "orbit-satellite": 0.264}
