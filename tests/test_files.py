"""What is left of a killed process goes, what a living one fills stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from stages.files import PARTIAL, replacing, write_text

FILLING = """
import sys, time
from pathlib import Path
from stages.files import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.mkdir()
    print("begun", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def filling(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A process inside `replacing`."""
    process = subprocess.Popen(
        [sys.executable, "-c", FILLING, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout and process.stdout.readline() == "begun\n"
    yield process
    process.kill()
    process.wait()


def test_a_killed_process_leaves_nothing_to_the_next_even_as_a_zombie(
    filling: subprocess.Popen[str], tmp_path: Path
) -> None:
    filling.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, filling.pid, os.WEXITED | os.WNOWAIT)  # dead, not reaped: its number is still taken
    os.kill(filling.pid, 0)
    assert len(list(tmp_path.glob(f"*{PARTIAL}"))) == 1
    write_text(tmp_path / "out", "whole\n")
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_what_a_living_process_fills_is_not_swept(filling: subprocess.Popen[str], tmp_path: Path) -> None:
    before = list(tmp_path.glob(f"*{PARTIAL}"))
    write_text(tmp_path / "out", "whole\n")
    assert list(tmp_path.glob(f"*{PARTIAL}")) == before and len(before) == 1


def test_what_is_left_of_another_name_is_not_swept(tmp_path: Path) -> None:
    with replacing(tmp_path / "out.json") as temporary:
        temporary.write_text("{}")
        write_text(tmp_path / "out", "whole\n")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out", "out.json"]
