"""Output and exit status of `make repro`, with stubs for DVC and Python."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("status", "repro", "show", "ended", "said"),
    [
        (0, 0, 0, 0, ["the table"]),
        (0, 0, 2, 2, ["the table"]),
        (1, 0, 0, 0, ["computed", "the table"]),
        (1, 0, 2, 2, ["computed", "the table"]),
        (1, 255, 0, 2, ["computed"]),
        (255, 255, 0, 2, ["computed"]),
    ],
)
def test_it_computes_what_changed_and_fails_where_a_step_does(
    status: int, repro: int, show: int, ended: int, said: list[str], tmp_path: Path
) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    dvc = f'[ "$1" = status ] && {{ sleep .1; exit {status}; }}; echo computed; exit {repro}'
    for name, script in (("dvc", dvc), ("python", f"echo the table; exit {show}")):
        (tools / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tools / name).chmod(0o755)
    (tmp_path / ".venv" / ".ready").touch()
    done = subprocess.run(
        ["make", "--no-print-directory", "repro"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.splitlines()) == (ended, said), done.stderr
