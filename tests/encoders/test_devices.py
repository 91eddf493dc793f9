"""What the device can do is one answer, before torch is loaded and after."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from patent_embeddings.core import gpus
from patent_embeddings.encoders import devices
from patent_embeddings.encoders.devices import Device
from patent_embeddings.encoders.precision import resolve

pytestmark = pytest.mark.pipeline

SMI = """#!/bin/sh
echo GPU-1, 143771, 9.0, NVIDIA H200
echo GPU-2, 15360, 7.5, Tesla T4
"""


def described(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (folder / "cpuinfo").write_text(text, encoding="ascii")
    monkeypatch.setattr(devices, "_PROCESSOR", folder / "cpuinfo")


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of two GPUs, of which the second does not compute bfloat16, and a torch that was built for them."""
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    library = tmp_path / "torch" / "lib" / "libtorch_cuda.so"
    library.parent.mkdir(parents=True)
    library.touch()
    monkeypatch.setattr(devices, "find_spec", lambda _: SimpleNamespace(origin=str(tmp_path / "torch/__init__.py")))


@pytest.mark.parametrize(
    ("visible", "model", "memory", "halves"),
    [
        (None, "NVIDIA H200", 143771 << 20, True),
        ("GPU-2", "Tesla T4", 15360 << 20, False),
        ("MIG-0123", "NVIDIA H200", None, True),
    ],
)
def test_the_driver_says_what_its_first_gpu_can_do(
    driver: None, visible: str | None, model: str, memory: int | None, halves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if visible:
        monkeypatch.setenv(gpus.VISIBLE, visible)
    assert devices.planned() == Device("cuda", model, memory, halves)
    assert resolve("auto", devices.planned()) == ("bfloat16" if halves else "float32")


def test_a_gpu_that_is_hidden_or_that_torch_was_not_built_for_is_not_counted(
    driver: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(gpus.VISIBLE, "")
    assert devices.planned().kind == "cpu"
    monkeypatch.delenv(gpus.VISIBLE)
    assert devices.planned().kind == "cuda"
    (tmp_path / "torch" / "lib" / "libtorch_cuda.so").unlink()
    assert devices.planned().kind == "cpu"


@pytest.mark.parametrize(("capability", "halves"), [(8, True), (7, False)])
def test_torch_says_the_same_of_a_gpu(capability: int, halves: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    told = SimpleNamespace(name="Tesla T4", total_memory=15 << 30, major=capability)
    monkeypatch.setattr(devices, "_driven", lambda: True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 0)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: told)
    assert devices.loaded() == Device("cuda", "Tesla T4", 15 << 30, halves)


def test_this_machine_is_one_device_to_both() -> None:
    import torch

    planned, loaded = devices.planned(), devices.loaded()
    assert (planned.kind, planned.model, planned.halves) == (loaded.kind, loaded.model, loaded.halves)
    if loaded.kind == "cpu":  # torch's own two questions, none of them public
        assert loaded.halves == (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
        assert devices.instructions() == torch.backends.cpu.get_cpu_capability()


@pytest.mark.parametrize("forced", ["avx2", "default"])
def test_instructions_follow_the_variable_that_torch_follows(forced: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", forced)
    code = "import torch; print(torch.backends.cpu.get_cpu_capability())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert devices.instructions() == done.stdout.strip()


@pytest.mark.parametrize(("flags", "halves"), [("avx512f avx512_bf16", True), ("amx_tile", True), ("avx512f", False)])
def test_a_processor_says_what_it_is(flags: str, halves: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described(tmp_path, monkeypatch, f"processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: {flags}\n")
    found = devices.processor()
    assert (found.kind, found.model, found.halves) == ("cpu", "AuthenticAMD", halves)
    assert resolve("auto", found) == ("bfloat16" if halves else "float32")
    assert [resolve(dtype, found) for dtype in ("float32", "bfloat16")] == ["float32", "bfloat16"]


def test_a_processor_of_arm_is_told_by_its_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    core = "processor\t: {0}\nFeatures\t: fp asimd sve\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n\n"
    described(tmp_path, monkeypatch, core.format(0) + core.format(1))
    assert devices.processor().model == "0x41 0xd40"


def test_elsewhere_than_on_linux_nothing_is_known_of_a_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_PROCESSOR", tmp_path / "none")
    assert (devices.processor().model, devices.processor().halves) == ("", False)


def test_what_changes_last_digits_is_named_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "instructions", lambda: "AVX2")
    for name in devices._SWITCHES:
        monkeypatch.delenv(name, raising=False)
    one = devices.arithmetic(Device("cuda", "NVIDIA H200", 1, True))
    assert one == devices.arithmetic(Device("cuda", "NVIDIA H200", 2, True)) == {"kind": "cuda", "model": "NVIDIA H200"}
    intel = devices.arithmetic(Device("cpu", "GenuineIntel", 1, False))
    assert intel == {"kind": "cpu", "model": "GenuineIntel", "instructions": "AVX2", "bfloat16": "emulated"}
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")  # ten bits of a number's digits
    assert devices.arithmetic(Device("cuda", "NVIDIA H200", 1, True)) == {**one, "NVIDIA_TF32_OVERRIDE": "1"}
