"""The GPUs of this machine, from nvidia-smi, as loading torch takes seconds."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import takewhile
from pathlib import Path

from patent_embeddings.core import layout
from patent_embeddings.core.progress import say

VISIBLE = "CUDA_VISIBLE_DEVICES"
APART = "PATENT_EMBEDDINGS_GPU_EACH"  # set for processes that compute several cells at a time
_PART = "MIG-"  # prefix of the names of a GPU's parts
POLL = 1.0  # seconds between attempts to get a free GPU


@dataclass(frozen=True)
class Gpu:
    """A GPU as the driver describes it."""

    uuid: str
    memory: int | None  # bytes, where it is known
    capability: float  # NVIDIA's compute capability
    name: str


def visible() -> list[str]:
    """Names of the GPUs that a process started here may use, in the form that `CUDA_VISIBLE_DEVICES` takes.

    Those that this variable names if it is set, else the UUIDs of all, which do not depend on an order of numbering.
    """
    here = _gpus()
    if not here or VISIBLE not in os.environ:
        return [gpu.uuid for gpu in here]
    named = [name.strip() for name in os.environ[VISIBLE].split(",")]
    # CUDA itself stops at the first that it does not find, such as the -1 that hides all.
    return list(takewhile(lambda name: _among(name, here), named))


def first() -> Gpu | None:
    """The first GPU that a process started here may use, or None; the memory of a part (MIG) is not known."""
    if not (names := visible()):
        return None
    name, here = names[0], _gpus()
    if name.startswith(_PART):
        return replace(here[0], uuid=name, memory=None)
    if name.isdecimal():
        return here[int(name)]
    return next(gpu for gpu in here if gpu.uuid.startswith(name))


def _gpus() -> tuple[Gpu, ...]:
    """The GPUs of this machine, () if it has no driver."""
    tool = shutil.which("nvidia-smi")
    return _queried(tool) if tool else ()


@cache
def _queried(tool: str) -> tuple[Gpu, ...]:
    """The GPUs that nvidia-smi lists; run once, as it may take seconds."""
    command = [tool, "--query-gpu=uuid,memory.total,compute_cap,name", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except subprocess.TimeoutExpired:  # a driver that hangs cannot compute
        return ()
    found = []
    for line in done.stdout.splitlines() if done.returncode == 0 else []:
        uuid, mib, capability, name = (part.strip() for part in f"{line},,,".split(",", 3))
        known = int(mib) << 20 if mib.isdecimal() else None
        if uuid:
            number = float(capability) if capability.replace(".", "", 1).isdecimal() else 0.0
            found.append(Gpu(uuid, known, number, name.rstrip(",")))
    return tuple(found)


def _among(name: str, here: Sequence[Gpu]) -> bool:
    """Whether a name is that of a GPU: its number, or a prefix of its UUID. Parts of a GPU are always accepted."""
    if name.isdecimal():
        return int(name) < len(here)
    return name.startswith(_PART) or (name.startswith("GPU-") and any(gpu.uuid.startswith(name) for gpu in here))


@contextmanager
def apart(*, wait: bool = True) -> Iterator[None]:
    """If several cells are computed at a time, reserve one GPU for this process and hide the others.

    Waits until one is free, or else hides all. The reservation is a file lock, which ends with the process. To be
    entered before any library looks for GPUs.
    """
    names = visible() if APART in os.environ else []
    if not names:
        yield
        return
    files = [_lock(name).open("a", encoding="ascii") for name in names]
    try:
        place = _first_free([file.fileno() for file in files], wait)
        os.environ[VISIBLE] = "" if place is None else names[place]
        yield
    finally:
        for file in files:
            file.close()


def _first_free(files: list[int], wait: bool) -> int | None:
    """Lock the first file that is not locked and return its position; without `wait`, None if all are locked."""
    said = False
    while True:
        for place, file in enumerate(files):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return place
            except BlockingIOError:
                continue
        if not wait:
            return None
        if not said:
            said = True
            say(f"waits for one of {len(files)} GPUs, all of which compute other cells")
        time.sleep(POLL)


def _lock(name: str) -> Path:
    path = layout.scratch() / "gpus" / f"{re.sub('[^A-Za-z0-9-]', '_', name)}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
