"""The machine of a measurement: processor, threads and versions. No host name, no time."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from patent_embeddings.core.environment import installed

FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # instructions that speed up matrix products


def record(packages: tuple[str, ...]) -> dict[str, str | int | float]:
    """Columns that every row of results has."""
    info = _first_processor()
    flags = set(info.get("flags", "").split())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cores = len(os.sched_getaffinity(0))
    return {
        "processor": _processor(info),
        "features": " ".join(name for name in FEATURES if name in flags),
        "cores": cores,
        "threads": int(os.environ.get("OMP_NUM_THREADS") or cores),
        "memory_gib": round(memory / 2**30, 1),
        "python": platform.python_version(),
        "versions": " ".join(f"{name}=={installed(name)}" for name in packages),
    }


def _processor(info: dict[str, str]) -> str:
    """Name of the processor with family and model, since `AMD EPYC` in a cloud may be a Zen 4 or a Zen 5."""
    if "model name" not in info:
        return platform.machine()
    return f"{info['model name']} (family {info['cpu family']}, model {info['model']})"


def _first_processor() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    pairs = [line.partition(":") for line in text.split("\n\n")[0].splitlines()]
    return {key.strip(): value.strip() for key, _, value in pairs}
