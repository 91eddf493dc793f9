"""The GPUs of this machine, as its driver's tool tells: torch takes seconds to load."""

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
APART = "PATENT_EMBEDDINGS_GPU_EACH"  # set for what computes several cells at a time
_PART = "MIG-"  # what the names of a GPU's parts begin with
POLL = 1.0  # seconds between two looks for a free GPU


@dataclass(frozen=True)
class Gpu:
    """What the driver tells of a GPU."""

    uuid: str
    memory: int | None  # bytes, where it is known
    capability: float  # to compute, NVIDIA's number of it
    name: str


def visible() -> list[str]:
    """Names of the GPUs that a process started here may use, as `CUDA_VISIBLE_DEVICES` takes them; [] without one.

    Those that this variable names where it is set, else all by their UUID, which no order of numbering changes.
    """
    here = _told()
    if not here or VISIBLE not in os.environ:
        return [gpu.uuid for gpu in here]
    named = [name.strip() for name in os.environ[VISIBLE].split(",")]
    # CUDA itself stops at the first that it does not find, such as the -1 that hides all.
    return list(takewhile(lambda name: _among(name, here), named))


def first() -> Gpu | None:
    """The first GPU that a process started here may use, None without one; of a part (MIG) no memory is known."""
    if not (names := visible()):
        return None
    name, here = names[0], _told()
    if name.startswith(_PART):
        return replace(here[0], uuid=name, memory=None)
    if name.isdecimal():
        return here[int(name)]
    return next(gpu for gpu in here if gpu.uuid.startswith(name))


def _told() -> tuple[Gpu, ...]:
    """The GPUs of this machine, as the driver's tool says; () without one."""
    tool = shutil.which("nvidia-smi")
    return _asked(tool) if tool else ()


@cache
def _asked(tool: str) -> tuple[Gpu, ...]:
    """What a tool says, asked once: it takes up to seconds, and is the same for every cell of a grid."""
    asked = [tool, "--query-gpu=uuid,memory.total,compute_cap,name", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=30)
    except subprocess.TimeoutExpired:  # a driver that hangs computes nothing either
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
    """Whether a name is that of a GPU: its number, or what its UUID begins with. Parts of a GPU are taken as named."""
    if name.isdecimal():
        return int(name) < len(here)
    return name.startswith(_PART) or (name.startswith("GPU-") and any(gpu.uuid.startswith(name) for gpu in here))


@contextmanager
def apart(*, wait: bool = True) -> Iterator[None]:
    """Where cells are computed several at a time, let this process see one GPU, which no other of them sees.

    Waits until one is free, or lets it see none. It is held by a lock of the system's, which ends with the process
    however that ends. To be entered before a library looks for GPUs.
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
    """Lock the first of some files that nobody has locked, and say which; waits for one, or None."""
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
