"""The device that models compute on, and what it can do.

`planned` asks the driver's tool, as importing torch takes seconds. `loaded` is the device that models are loaded on; it
asks torch where there may be a GPU. Both say the same, but for the memory that a GPU's driver keeps for itself.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import psutil

from patent_embeddings.core import gpus

_PROCESSOR = Path("/proc/cpuinfo")
_AMPERE = 8  # the first compute capability that multiplies bfloat16 itself
# Variables that make a library use other instructions than the device has, or fewer digits than it is asked for.
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
    """The device that models are loaded on, by torch; torch is not imported where no GPU can be."""
    if not _driven():
        return processor()
    import torch  # which takes seconds

    if not torch.cuda.is_available():
        return processor()
    gpu = torch.cuda.get_device_properties(torch.cuda.current_device())
    halves = torch.cuda.is_bf16_supported(including_emulation=False)
    return Device("cuda", str(gpu.name), int(gpu.total_memory), bool(halves))


def processor() -> Device:
    """The processors, as Linux describes them; elsewhere nothing is known of them."""
    facts, flags = _described()
    # ARM's processors have no vendor: the number of their designer and that of the core tell them apart.
    parts = " ".join(facts[name] for name in ("CPU implementer", "CPU part") if name in facts)
    halves = "avx512_bf16" in flags or "amx_tile" in flags
    return Device("cpu", facts.get("vendor_id", parts), psutil.virtual_memory().total, halves)


def arithmetic(device: Device) -> dict[str, str]:
    """The properties of a device that change the last digits of its results, as plain values in fixed order.

    Libraries choose a kernel by the GPU's model, or by the processor's maker, its instructions and whether it has
    bfloat16; and they follow variables of the environment. Memory and clock change nothing.
    """
    own = {"kind": device.kind, "model": device.model}
    if device.kind == "cpu":
        own |= {"instructions": instructions(), "bfloat16": "native" if device.halves else "emulated"}
    return own | {name: os.environ[name] for name in _SWITCHES if name in os.environ}


def instructions() -> str:
    """The widest instructions of the processor that torch uses, by torch's own rule: AVX512, AVX2 or DEFAULT."""
    forced = os.environ.get("ATEN_CPU_CAPABILITY", "")
    if forced in ("avx512", "avx2", "default"):
        return forced.upper()
    _, flags = _described()
    if {"avx512vl", "avx512bw", "avx512dq", "fma"} <= flags:
        return "AVX512"
    return "AVX2" if {"avx2", "fma"} <= flags else "DEFAULT"


def products(device: Device, dtype: str) -> Literal["torch", "onednn"]:
    """The library that multiplies linear layers on a device: oneDNN where torch's own choice is slower.

    In float32 that is on AMD's processors with AVX-512, in bfloat16 on all that have both; see `products`.
    """
    if device.kind != "cpu" or instructions() != "AVX512":
        return "torch"
    return "onednn" if (device.halves if dtype == "bfloat16" else device.model == "AuthenticAMD") else "torch"


def _described() -> tuple[dict[str, str], set[str]]:
    """Linux's description of the first processor, and its instructions; both empty on other systems."""
    try:
        text = _PROCESSOR.read_text(encoding="ascii", errors="replace")
    except OSError:
        text = ""
    lines = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    facts = {key.strip(): value.strip() for key, _, value in lines}
    return facts, set(facts.get("flags", "").split())


def _driven() -> bool:
    """Whether a driver of NVIDIA's or AMD's GPUs is installed, without which torch sees no GPU."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Path("/dev/kfd").exists()
    return True


def _for_gpus() -> bool:
    """Whether the torch that is installed was built for NVIDIA's GPUs."""
    spec = find_spec("torch")  # which does not load it
    origin = spec.origin if spec else None
    return origin is not None and (Path(origin).parent / "lib" / "libtorch_cuda.so").exists()
