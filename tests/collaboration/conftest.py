"""One undisturbed run of the tiny cell, which every test of this folder starts from or compares with.

What is computed for a whole session is computed once, however many processes pytest runs in.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from collaboration import clones
from collaboration.clones import Clone

LOADING = 2.0  # seconds in which a stage loads what it needs, at the least


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """A folder of the session by its name, filled by whoever comes first; the others wait."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root

    def filled(name: str, fill: Callable[[Path], None]) -> Path:
        folder = root / "once" / name
        folder.parent.mkdir(exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not (folder / "filled").exists():
                fill(folder)
                (folder / "filled").touch()
        return folder

    return filled


@pytest.fixture(scope="session")
def bare(once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """The origin, nothing computed."""
    return once("origin", clones.origin) / "origin.git"


@pytest.fixture(scope="session")
def tiny_clone(bare: Path, once: Callable[[str, Callable[[Path], None]], Path]) -> Clone:
    """A clone whose cell is computed: copy it, don't change it."""

    def compute(folder: Path) -> None:
        made = clones.clone(bare, folder / "clone")
        (folder / "seconds.json").write_text(json.dumps(_reproduced(made)), encoding="utf-8")

    folder = once("undisturbed", compute)
    return Clone(folder / "clone", seconds=json.loads((folder / "seconds.json").read_text(encoding="utf-8")))


def _reproduced(clone: Clone) -> dict[str, float]:
    """Run the cell; how many seconds each stage takes, as a process of its own."""
    process = clone.start("python", "-c", clones.QUICK, "repro")
    assert process.stdout
    stage, since, said, seconds = "", time.monotonic(), "", {}
    for line in process.stdout:
        said += line
        if found := clones.ran(line):
            seconds[stage] = time.monotonic() - since
            stage, since = found[0], time.monotonic()
    seconds[stage] = time.monotonic() - since
    assert process.wait() == 0, said
    return {stage: LOADING + found for stage, found in seconds.items()}
