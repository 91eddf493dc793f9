"""One undisturbed run of the tiny cell, which every test of this folder starts from or compares with."""

from __future__ import annotations

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
    made.dvc("repro")
    return made
