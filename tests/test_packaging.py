"""An installed copy contains the whole library, and mypy checks all of it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from workspaces import ROOT, copy_tracked, tracked

CODE = ("patent_embeddings", "stages")


@pytest.mark.pipeline
def test_a_wheel_holds_every_module_template_and_word_list(tmp_path: Path) -> None:
    copy_tracked(tmp_path / "source", *CODE, "pyproject.toml", "README.md")
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"  # as pip asks for it
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "source", check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        assert not set(tracked(*CODE)) - set(wheel.namelist())


def test_mypy_looks_at_every_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(CODE) <= set(settings["tool"]["mypy"]["packages"])
