"""The device that models compute on here, and what it can do.

It is asked twice: before anything is loaded by its driver's tool, as torch takes seconds (`planned`), and of torch
where a model is loaded (`loaded`). Both say the same, but for the memory that a GPU's driver keeps for itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import psutil

from patent_embeddings.core import gpus

_PROCESSOR = Path("/proc/cpuinfo")
_AMPERE = 8  # the first compute capability that multiplies bfloat16 itself
# What lets a library multiply by other instructions than the device has, or in fewer digits than it is asked to.
_SWITCHES = ("ONEDNN_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR",
             "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "CUBLAS_EMULATE_SINGLE_PRECISION")  # fmt: skip


@dataclass(frozen=True)
class Device:
    """A GPU, or the processors where there is none."""

    kind: Literal["cpu", "cuda"]
    model: str  # of a GPU its name, of processors their maker
    memory: int | None  # bytes, where it is known
    halves: bool  # computes bfloat16 natively


def planned() -> Device:
    """The device that models will be loaded on, without loading torch."""
    gpu = gpus.first()
    if gpu is None or not _for_gpus():
        return processor()
    return Device("cuda", gpu.name, gpu.memory, gpu.capability >= _AMPERE)


def loaded() -> Device:
    """The device that models are loaded on, by torch."""
    import torch  # which takes seconds

    if not torch.cuda.is_available():
        return processor()
    told = torch.cuda.get_device_properties(torch.cuda.current_device())
    halves = torch.cuda.is_bf16_supported(including_emulation=False)
    return Device("cuda", str(told.name), int(told.total_memory), bool(halves))


def processor() -> Device:
    """The processors, as Linux describes them; elsewhere nothing is known of them."""
    try:
        text = _PROCESSOR.read_text(encoding="ascii", errors="replace")
    except OSError:
        text = ""
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    flags = told.get("flags", "").split()
    halves = "avx512_bf16" in flags or "amx_tile" in flags
    return Device("cpu", told.get("vendor_id", ""), psutil.virtual_memory().total, halves)


def arithmetic(device: Device) -> dict[str, str]:
    """What of a device changes the last digits of what it computes, as plain values in fixed order.

    Libraries choose their products by a GPU's model, and by a processor's maker, its instructions and whether these
    know bfloat16; and they follow switches of the environment. Memory and clock change nothing.
    """
    own = {"kind": device.kind, "model": device.model}
    if device.kind == "cpu":
        own |= {"instructions": instructions(), "bfloat16": "native" if device.halves else "emulated"}
    return own | {name: os.environ[name] for name in _SWITCHES if name in os.environ}


def instructions() -> str:
    """The widest instructions of the processor that torch uses, such as AVX512."""
    import torch  # which takes seconds

    return str(torch.backends.cpu.get_cpu_capability())


def _for_gpus() -> bool:
    """Whether the torch that is installed was built for NVIDIA's GPUs."""
    spec = find_spec("torch")  # which does not load it
    origin = spec.origin if spec else None
    return origin is not None and (Path(origin).parent / "lib" / "libtorch_cuda.so").exists()
