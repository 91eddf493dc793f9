"""Which GPUs are there, with a driver's tool that is played."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from patent_embeddings.core import gpus

BOTH = "echo GPU-1a, 81559, 8.0, NVIDIA A100 80GB PCIe; echo GPU-2b, 143771, 9.0, NVIDIA H200"


def tool(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    file = folder / "nvidia-smi"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        (None, ["GPU-1a", "GPU-2b"]),
        ("1", ["1"]),
        ("GPU-2b, 0", ["GPU-2b", "0"]),
        ("0,-1,1", ["0"]),
        ("0,7", ["0"]),
        ("GPU-2", ["GPU-2"]),
        ("GPU-3c,0", []),
        ("-1", []),
        ("", []),
    ],
)
def test_those_that_the_variable_names_else_all(
    visible: str | None, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, monkeypatch, BOTH)
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    if visible is not None:
        monkeypatch.setenv(gpus.VISIBLE, visible)
    assert gpus.visible() == found


def test_without_a_driver_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpus.VISIBLE, "0")
    tool(tmp_path, monkeypatch, "echo NVIDIA-SMI has failed; exit 9")
    assert gpus.visible() == []
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert gpus.visible() == []


@pytest.mark.parametrize(
    ("visible", "mib"),
    [
        (None, 81559),
        ("1", 143771),
        ("01", 143771),
        ("GPU-2b", 143771),
        ("GPU-2,0", 143771),
        ("0,1", 81559),
        ("MIG-7", None),
        ("-1", None),
    ],
)
def test_memory_is_that_of_the_gpu_that_computes(
    visible: str | None, mib: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, monkeypatch, BOTH)
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    if visible is not None:
        monkeypatch.setenv(gpus.VISIBLE, visible)
    gpu = gpus.first()
    assert (gpu.memory if gpu else None) == (None if mib is None else mib * 2**20)


def test_memory_that_the_driver_does_not_say_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path, monkeypatch, "echo 'GPU-1a, [N/A], 8.0, NVIDIA A30'")
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    assert gpus.visible() == ["GPU-1a"] and gpus.first() == gpus.Gpu("GPU-1a", None, 8.0, "NVIDIA A30")


def test_the_driver_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path, monkeypatch, f"echo asked >> {tmp_path}/log; {BOTH}")
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    assert [gpus.visible(), gpus.visible()] == [["GPU-1a", "GPU-2b"]] * 2
    assert gpus.first() == gpus.Gpu("GPU-1a", 81559 * 2**20, 8.0, "NVIDIA A100 80GB PCIe")
    assert (tmp_path / "log").read_text() == "asked\n"


HOLD = """
import os, sys
from patent_embeddings.core import gpus
gpus.POLL = .05
with gpus.apart():
    print(os.environ.get(gpus.VISIBLE), flush=True)
    sys.stdin.readline()
"""


def holder() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def shown(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_each_of_several_processes_sees_a_gpu_of_its_own_and_the_next_waits_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, monkeypatch, BOTH)
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(gpus.APART, "1")
    first = holder()
    assert shown(first) == "GPU-1a"
    second, third = holder(), None
    try:
        assert shown(second) == "GPU-2b"
        with gpus.apart(wait=False):
            assert gpus.visible() == []
        monkeypatch.delenv(gpus.VISIBLE)
        third = holder()
        with pytest.raises(subprocess.TimeoutExpired):
            third.wait(0.5)
        first.kill()  # a lock ends with its process
        assert shown(third) == "GPU-1a"
    finally:
        for process in (first, second, third):
            if process:
                process.kill()
                process.communicate()


def test_one_cell_at_a_time_sees_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path, monkeypatch, BOTH)
    monkeypatch.delenv(gpus.APART, raising=False)
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    with gpus.apart():
        assert gpus.VISIBLE not in os.environ
    assert not (tmp_path / "cache").exists()
