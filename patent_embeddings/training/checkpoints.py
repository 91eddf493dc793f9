"""Checkpoints of training in the scratch folder: sealed when complete, and used only if they match their seal."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from patent_embeddings.core import distributed
from patent_embeddings.core.files import held, read_json, sha256, write_text
from patent_embeddings.core.progress import say

SEAL = "seal"
STATE = "trainer_state.json"  # the trainer's name for it


def alone(scratch: Path) -> AbstractContextManager[object]:
    """Lock a scratch folder; a second training of the same adapter waits, then resumes from the checkpoints there.

    Of the processes of torchrun only the first takes the lock.
    """
    if distributed.rank():
        return nullcontext()
    return held(scratch.with_name(f"{scratch.name}.lock"), f"{scratch}: another process trains this adapter")


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


def resumable(scratch: Path) -> int:
    """Step of the last usable checkpoint of a killed run, 0 without one; the others are deleted.

    A checkpoint is usable if it and its best one match their seals.
    """
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
    return _step(usable[-1]) if usable else 0


def is_whole(folder: Path) -> bool:
    """Whether a checkpoint matches its seal."""
    try:
        return (folder / SEAL).read_bytes() == _digest(folder).encode()
    except OSError:
        return False


def _all(scratch: Path) -> list[Path]:
    """Folders of checkpoints, in order of their steps."""
    folders = scratch.glob("checkpoint-*")
    return sorted((folder for folder in folders if folder.name.rpartition("-")[2].isdecimal()), key=_step)


def _step(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def _digest(folder: Path) -> str:
    """SHA-256 over the folder names of a checkpoint and its files, without the seal."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != SEAL)
    lines = [f"{folder.parent.name}/{folder.name}", *(f"{name} {sha256(folder / name)}" for name in names)]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
