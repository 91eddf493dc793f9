"""SIGKILL at any moment of any stage: the next `dvc repro` completes, with the bytes of an undisturbed run."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from workspaces import ROOT

from collaboration import clones
from collaboration.clones import BUT_REPORT, EVALUATIONS, STEPS, Clone, L, ran
from patent_embeddings.encoders.shards import SIZE

pytestmark = pytest.mark.pipeline
STAGES = [
    f"{name}@{L}" if "foreach" in body else name
    for name, body in yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"].items()
]
FEW = ["download@tiny", "finetune", "embed@tiny", "bm25@tiny", "metrics@tiny"]
# Loading takes most of these two; half of their kills come when work is in the scratch.
RESUMING = {"finetune": "training/*/checkpoint-*", f"embed@{L}": "embeddings/*/*.shard"}
# DVC writes these in place: what it says of one that a kill cut in half.
NOTES = {"RWLock-file": ".dvc/tmp/rwlock", "dvc.lock": "dvc.lock"}
MANY = [(number, STAGES[number % len(STAGES)]) for number in range(50 - len(FEW))]


def forget(clone: Clone, stage: str) -> None:
    """Make a finished stage one that has never run here: no record, no outputs, no lock entry."""
    lock = yaml.safe_load((clone.path / "dvc.lock").read_text(encoding="utf-8"))
    entry = lock["stages"].pop(stage)
    (clone.path / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False), encoding="utf-8")
    for record in sorted((clone.path / ".dvc/cache/runs").rglob("*")):
        if record.is_file() and yaml.safe_load(record.read_text(encoding="utf-8"))["cmd"] == entry["cmd"]:
            shutil.rmtree(record.parent)
    for out in entry["outs"]:
        path = clone.path / out["path"]
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def kill(clone: Clone, stage: str, moment: float, after: str | None) -> bool:
    """Start `dvc repro`, kill its processes so many seconds after the stage (or its work) began; False: too late."""
    process = clone.start("dvc", "repro", stdout=(out := clone.path.parent / "said").open("w"))
    begun = None
    while process.poll() is None:
        working = list(clone.scratch.glob(after)) if after else f"Running stage '{stage}'" in out.read_text()
        begun = begun or (time.monotonic() if working else None)
        if begun and time.monotonic() >= begun + moment:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.005)
    assert process.returncode == 0, out.read_text()
    return False


def inside(clone: Clone, folder: str = "") -> list[psutil.Process]:
    """Processes at work in a folder of a clone."""
    root = str(clone.path / folder)
    return [one for one in psutil.process_iter(["cwd"]) if (one.info["cwd"] or "").startswith(root)]


def wait(until: Callable[[], Any], seconds: float = 300) -> Any:
    """What `until` returns once that is true."""
    for _ in range(int(seconds * 20)):
        if found := until():
            return found
        time.sleep(0.05)
    raise TimeoutError


def repro(clone: Clone, *targets: str, mends: int = len(NOTES)) -> str:
    """`dvc repro`; where the kill cut one of DVC's own notes in half, after the mend that docs/sharing.md gives."""
    process = clone.start("dvc", "repro", *targets)
    said = process.communicate(timeout=600)[0]
    cut = next((path for words, path in NOTES.items() if words in said), None)
    if process.returncode and cut and mends:
        (clone.path / cut).unlink()
        return repro(clone, *targets, mends=mends - 1)
    assert process.returncode == 0, said
    return said


def killed_and_completed(tiny_clone: Clone, number: int, stage: str, folder: Path, *targets: str) -> None:
    rng = random.Random(number)
    after = RESUMING.get(stage) if rng.random() < 0.5 or number < 0 else None
    seconds = 0.5 if after else (tiny_clone.seconds.get(stage) or 1.0)
    moment = rng.uniform(0, seconds)
    for attempt in range(6):
        clone = clones.copy(tiny_clone, folder / str(attempt) / "clone")
        forget(clone, stage)
        if kill(clone, stage, moment / 2**attempt, after):
            break
    else:
        pytest.fail("every kill came too late")
    wait(lambda: not inside(clone))

    whole = [
        folder.name for folder in sorted(clone.scratch.glob("training/*/checkpoint-*")) if (folder / "seal").exists()
    ]
    shards = len(list(clone.scratch.glob("embeddings/*/*.shard")))
    said = repro(clone, *targets)
    assert clone.results() == tiny_clone.results()
    assert not list(clone.path.rglob("*.partial"))
    assert len(ran(clone.dvc("repro", *targets))) == 0
    # At most one checkpoint interval and one shard are done again: all that was whole is used.
    if stage == "finetune" and "Running stage 'finetune'" in said:
        done = max((int(name.split("-")[1]) for name in whole), default=0)
        assert done % (STEPS // EVALUATIONS) == 0
        assert done == STEPS or f"| {STEPS - done}/{STEPS - done} [" in said
        cost = json.loads((clone.path / "data/costs/cell/finetune.json").read_text())
        assert cost["computed"] * STEPS == cost["texts"] * (STEPS - done)
    if stage == f"embed@{L}" and f"Running stage '{stage}'" in said:
        cost = json.loads((clone.path / f"data/costs/{L}/embed.json").read_text())
        assert cost["computed"] == max(0, cost["texts"] - SIZE * shards)


@pytest.mark.parametrize(
    "stage",
    # Those that resume, and one that does not; the others are killed among the many too.
    [pytest.param(one, marks=[pytest.mark.slow] if one in (f"download@{L}", f"metrics@{L}") else []) for one in FEW],
)
def test_a_kill_costs_no_result(tiny_clone: Clone, stage: str, tmp_path: Path) -> None:
    killed_and_completed(tiny_clone, -1 - FEW.index(stage), stage, tmp_path, *BUT_REPORT)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "stage"), MANY)
def test_many_kills_cost_no_result(tiny_clone: Clone, number: int, stage: str, tmp_path: Path) -> None:
    killed_and_completed(tiny_clone, number, stage, tmp_path)
