"""One undisturbed run of the tiny cell, which every test of this folder starts from or compares with."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from collaboration import clones


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The origin, nothing computed."""
    return clones.origin(tmp_path_factory.mktemp("origin"))


@pytest.fixture(scope="session")
def tiny_clone(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> clones.Clone:
    """A clone whose cell is computed: copy it, don't change it."""
    made = clones.clone(bare, tmp_path_factory.mktemp("undisturbed") / "clone")
    process = made.start("dvc", "repro")
    assert process.stdout
    stage, since, said = "", time.monotonic(), ""
    for line in process.stdout:
        said += line
        if found := clones.ran(line):
            made.seconds[stage] = time.monotonic() - since
            stage, since = found[0], time.monotonic()
    made.seconds[stage] = time.monotonic() - since
    assert process.wait() == 0, said
    return made
