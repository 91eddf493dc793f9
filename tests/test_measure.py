"""Cells computed in one process have the outcomes that the stages write, and are in the record as they come."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tiny
import yaml
from filelock import FileLock

from benchmarks.workspace import change, register
from stages import finetune, layout, params, tables
from stages.errors import UserError
from stages.grid import cells, measure, record

pytestmark = pytest.mark.pipeline

OPTIONS = {"recipe": ["zero-shot", "r1"], "search.centre": ["none", "landscape"]}
STAGES = ("download", "views", "tasks", "pairs", "finetune", "embed", "bm25", "search", "fuse", "rerank", "metrics")


@pytest.fixture
def base(workspace: Path, set_params: Callable[..., None]) -> dict[str, Any]:
    """params.yaml of a workspace with a tiny model and two small landscapes."""
    for name, seed in (("a", 1), ("b", 3)):
        entry = {"source": "simulated", "description": "Small.", "licence": "CC0-1.0", "seed": seed, "families": 80}
        register(workspace, "landscapes", name, entry)
    model = tiny.entry(tiny.bert(workspace / "tiny")).model_dump(mode="json", exclude_defaults=True)
    register(workspace, "models", "tiny", model)
    set_params(model="tiny", landscape="a", evaluate_on=["a", "b"], finetune__steps=2, finetune__batch=4, query_view="ta", document_view="ta")  # fmt: skip
    found: dict[str, Any] = yaml.safe_load(layout.PARAMS.read_text(encoding="utf-8"))
    return found


def stage(name: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-P", "-m", f"stages.{name}", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_outcomes_are_those_of_the_stages_and_none_is_computed_twice(
    base: dict[str, Any], workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, path = cells.expand(base, OPTIONS), Path("record.parquet")
    assert len(wanted) == 4
    with monkeypatch.context() as patch:  # a shell of a cluster's job: the record must not be that of no training
        patch.setenv("RANK", "1")
        measure.measure(wanted[:3], cells.flat(base), path)  # the last one in another call, of a record that is there
    measure.measure(wanted, cells.flat(base), path)
    found = tables.read(path, record.TABLE)
    assert found["cell"].nunique() == 4 and set(found["landscape"]) == {"a", "b"} and found["simulated"].all()
    assert not (workspace / "data/tasks").exists()  # nothing is left in the repository
    tuned = next(cell for cell in wanted if cell.params["recipe"] == "r1" and cell.params["search"]["centre"] == "none")
    change(workspace, recipe="r1")
    for name in STAGES:
        for landscape in [""] if name in ("pairs", "finetune") else ["a", "b"]:
            stage(name, *filter(None, [landscape]))
    for landscape in ("a", "b"):
        kept = "split != 'train' and metric == 'nDCG@10' and system in @record.SYSTEMS"
        theirs = pd.read_parquet(layout.outcomes(landscape)).query(kept)
        ours = found[(found["cell"] == tuned.name) & (found["landscape"] == landscape)]
        keys = ["split", "system", "scope", "query_id"]
        both = ours.merge(theirs, on=keys, suffixes=("", "_stage"))
        assert len(both) == len(ours) == len(theirs) and set(ours["split"]) == {"test", "dev"}
        assert set(ours["system"]) == {"bm25", "dense", "rrf", "interpolation"}
        assert (both["value"] == both["value_stage"]).all()
    assert set(found["trained_on"]) == {"", "a"}
    before = path.read_bytes()
    monkeypatch.setattr(finetune, "main", lambda: pytest.fail("computed again"))
    measure.measure(wanted, cells.flat(base), path)
    assert path.read_bytes() == before


def test_what_the_cell_before_has_left_is_used(base: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from stages import adapters, embed, search

    calls: list[str] = []
    for module in (finetune, embed, search):
        monkeypatch.setattr(module, "main", lambda *_, name=module.__name__: calls.append(name))
    monkeypatch.setattr(adapters, "held", lambda folder: folder)
    monkeypatch.setattr(measure, "_tables", lambda name: calls.append("tables"))
    for name in ("fuse.main", "rerank.main", "pairs.__main__.main"):
        monkeypatch.setattr(f"stages.{name}", lambda *_: None)
    monkeypatch.setattr(measure, "_scored", lambda params: pd.DataFrame())
    monkeypatch.setattr(record, "add", lambda *_: None)
    grid = {"recipe": ["r1"], "tasks.fold": [0, 1], "search.centre": ["none", "landscape"]}
    measure.measure(cells.expand(base, grid), cells.flat(base), Path("record.parquet"))
    counts = {name.removeprefix("stages."): calls.count(name) for name in set(calls)}
    assert counts == {"tables": 4, "finetune": 2, "embed": 4, "search": 8}  # two folds, on two landscapes


def test_a_cell_that_fails_is_said_and_the_others_are_computed(
    base: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path("record.parquet")
    wanted = cells.expand(base, {"recipe": ["zero-shot", "r1"], "finetune.batch": [4]})
    written = finetune.main

    def fails() -> None:
        if params.load().recipe == "r1":
            raise UserError("no pairs")
        written()

    monkeypatch.setattr(finetune, "main", fails)
    with pytest.raises(UserError, match="1 of 2 cells failed, the first tiny-r1-a"):
        measure.measure(wanted, cells.flat(base), path)
    assert "tiny-r1-a: no pairs" in capsys.readouterr().err
    assert tables.read(path, record.TABLE)["recipe"].unique().tolist() == ["zero-shot"]


def test_a_recipe_that_trains_without_leaving_an_adapter_is_not_recorded_as_zero_shot(
    base: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the reason; that the recipe without training leaves none is right."""
    for name in ("tables", "scored"):
        monkeypatch.setattr(measure, f"_{name}", lambda *_: pd.DataFrame())
    for name in ("embed.main", "search.main", "fuse.main", "rerank.main", "pairs.__main__.main", "finetune.main"):
        monkeypatch.setattr(f"stages.{name}", lambda *_: None)
    added: list[pd.DataFrame] = []
    monkeypatch.setattr(record, "add", lambda rows, path: added.append(rows))
    wanted = cells.expand(base, {"recipe": ["zero-shot", "r1", "r5"]})
    with pytest.raises(UserError, match="2 of 3 cells failed"):
        measure.measure(wanted, cells.flat(base), Path("record.parquet"))
    assert len(added) == 1
    said = capsys.readouterr().err
    assert all(f"finetune left no adapter of {recipe}" in said for recipe in ("r1", "r5"))


def test_a_cell_that_another_process_computes_is_left_to_it(
    base: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (only,), path = cells.expand(base, {"recipe": ["zero-shot"]}), Path("record.parquet")
    lock = layout.scratch().resolve() / "measuring" / f"{measure._digest(str(path.resolve()) + str(only.params))}.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock):
        assert measure.measure([only], cells.flat(base), path) == 1
        assert f"another process computes {only.name}" in capsys.readouterr().err and not path.exists()
        there = iter([False, True])  # before, and after it has finished it
        monkeypatch.setattr(measure, "_is_in", lambda *_: next(there))
        assert measure.measure([only], cells.flat(base), path) == 0


def test_what_another_process_has_computed_meanwhile_counts_and_is_not_computed_again(
    base: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, theirs = cells.expand(base, {"recipe": ["zero-shot"], "search.dimensions": [2, 4, 8]})
    in_record: set[str] = set()

    def outcomes(bench: Any, cell: cells.Cell) -> pd.DataFrame:
        in_record.update([cell.name, theirs.name])
        return pd.DataFrame({"cell": [cell.name]})

    monkeypatch.setattr(measure._Bench, "outcomes", outcomes)
    monkeypatch.setattr(record, "held", lambda path: {*in_record})
    monkeypatch.setattr(measure, "_is_in", lambda held, cell, base: cell.name in held)
    added: list[str] = []
    monkeypatch.setattr(record, "add", lambda rows, path: added.extend(rows["cell"]))
    measure.measure([first, second, theirs], cells.flat(base), Path("record.parquet"))
    assert added == [first.name, second.name]
    said = capsys.readouterr().err
    assert f"[0 of 3] {first.name}\n" in said and f"[2 of 3] {second.name}; done at about " in said


def test_a_fault_of_bm25_is_the_stage_s_own_line(
    base: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JAVA_HOME", "nowhere")
    with pytest.raises(UserError, match="1 of 1 cells failed"):
        measure.measure(cells.expand(base, {"recipe": ["zero-shot"]}), cells.flat(base), Path("record.parquet"))
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("tiny-zero-shot: ")]
    assert len(said) == 1 and "no Java at nowhere" in said[0]
