"""Fixtures shared by all tests: a workspace of its own for each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import rays
import workspaces
from forks import Forks

# Before torch and faiss start: two workers of pytest, and what they start, would fight for the processors otherwise.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Current folder with params.yaml and the registry of the repository, and an empty scratch."""
    workspaces.prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def set_params(workspace: Path) -> Callable[..., None]:
    """Change keys of the workspace's params.yaml; `a__b` is key b of block a."""
    return partial(workspaces.change, workspace)


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Python processes that start quickly."""
    made = Forks()
    yield made
    made.close()


@pytest.fixture(scope="module")
def driver() -> Iterator[ProcessPoolExecutor]:
    """A process with Ray; without Ray what needs it is skipped."""
    pytest.importorskip("ray")
    with rays.process() as process:
        yield process
