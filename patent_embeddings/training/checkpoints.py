"""Checkpoints of training in the scratch folder: sealed when complete, and used only if they match their seal."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from patent_embeddings.core import distributed
from patent_embeddings.core.files import read_json, sha256, write_text
from patent_embeddings.core.progress import say

SEAL = "seal"
STATE = "trainer_state.json"  # the trainer's name for it


@contextmanager
def alone(scratch: Path) -> Iterator[None]:
    """Lock a scratch folder; a second training of the same adapter waits, then resumes from the checkpoints there.

    The lock ends with its process. Of the processes of torchrun only the first takes it.
    """
    if distributed.rank():
        yield
        return
    scratch.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(scratch.with_name(f"{scratch.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        say(f"{scratch}: another process trains this adapter; waiting until it has ended")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def of_step(scratch: Path, step: int) -> Path:
    """Folder of the checkpoint of a step; the path in the trainer's state is wrong once the scratch was moved."""
    return scratch / f"checkpoint-{step}"


def seal(scratch: Path, step: int, best: int) -> None:
    """Seal the checkpoint of a step, then delete all others but the best one."""
    folder = of_step(scratch, step)
    write_text(folder / SEAL, _digest(folder))
    for other in _all(scratch):
        if other not in (folder, of_step(scratch, best)):
            shutil.rmtree(other)


def resumable(scratch: Path) -> str | None:
    """The last usable checkpoint of a killed run: it and its best one match their seals. The others are deleted."""
    found = _all(scratch)
    whole = [folder for folder in found if is_whole(folder)]
    usable = []
    for folder in found:
        if folder not in whole:
            say(f"{folder}: damaged or unfinished checkpoint, not used")
        elif (best := of_step(scratch, read_json(folder / STATE)["best_global_step"])) not in whole:
            say(f"{folder}: not used, as {best.name}, the best one so far, is damaged or lost")
        else:
            usable.append(folder)
            continue
        shutil.rmtree(folder)
    if found and not usable:
        say(f"{scratch}: no checkpoint left that can be used, training starts again")
    return str(usable[-1]) if usable else None


def is_whole(folder: Path) -> bool:
    """Whether a checkpoint matches its seal."""
    try:
        return (folder / SEAL).read_bytes() == _digest(folder).encode()
    except OSError:
        return False


def _all(scratch: Path) -> list[Path]:
    """Folders of checkpoints, in order of their steps."""
    steps = ((folder.name.rpartition("-")[2], folder) for folder in scratch.glob("checkpoint-*"))
    found = {int(step): folder for step, folder in steps if step.isdecimal()}
    return [found[step] for step in sorted(found)]


def _digest(folder: Path) -> str:
    """SHA-256 over the folder names of a checkpoint and its files, without the seal."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != SEAL)
    lines = [f"{folder.parent.name}/{folder.name}", *(f"{name} {sha256(folder / name)}" for name in names)]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
