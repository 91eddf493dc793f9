"""An installed copy contains the whole library, and mypy checks all of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from workspaces import ROOT

CODE = ("patent_embeddings", "stages")


def tracked(*folders: str) -> list[str]:
    done = subprocess.run(["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.pipeline
def test_a_wheel_holds_every_module_template_and_word_list(tmp_path: Path) -> None:
    for name in (*tracked(*CODE), "pyproject.toml", "README.md"):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "source" / name)
    command = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), "."]
    subprocess.run([sys.executable, *command], cwd=tmp_path / "source", check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        assert not set(tracked(*CODE)) - set(wheel.namelist())


def test_mypy_looks_at_every_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(CODE) <= set(settings["tool"]["mypy"]["packages"])
