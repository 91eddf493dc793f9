"""Keep the scratch folder small: drop what is old, then the least recently used until it fits."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext, suppress
from pathlib import Path

from filelock import FileLock

from patent_embeddings.core.files import OWNER

DAYS = 30.0
GIB = 20.0


def clean(folder: Path, days: float = DAYS, gib: float = GIB) -> tuple[int, int]:
    """Remove files not written or read for `days`, then the least recently used until `gib` are left.

    What may not be removed, or is in use, stays. Returns bytes freed and bytes left.
    """
    found, folders = [], []
    for place, _, names in os.walk(folder, topdown=False):
        folders.append(Path(place))
        for path in map(folders[-1].joinpath, names):
            with suppress(OSError):  # another run's temporary
                status = path.lstat()
                found.append((max(status.st_mtime, status.st_atime), status.st_size, path))
    total = sum(size for _, size, _ in found)
    left, limit = total, gib * 2**30
    oldest = time.time() - days * 86400
    locks = {path for _, _, path in found if path.suffix == ".lock" or path.name == OWNER}
    kept: tuple[str, ...] | None = None
    for moment, size, path in sorted(found):
        if moment < oldest or left > limit:
            if kept is None:
                # `x.lock` keeps `x` and what begins with it, an owner's lock the folder that it is in.
                held = [lock for lock in locks if _is_held(lock)]
                kept = tuple(str(lock.with_suffix("") if lock.suffix == ".lock" else lock.parent) for lock in held)
            if not str(path).startswith(kept) and _removed(path, path in locks):
                left -= size
    for one in folders:
        # A folder just made is about to be written to by another run.
        with suppress(OSError):
            if one.stat().st_mtime < oldest:
                one.rmdir()
    return total - left, left


def _is_held(lock: Path) -> bool:
    try:
        with FileLock(lock, timeout=0):
            return False
    except OSError:  # held, or another user's
        return True


def _removed(path: Path, lock: bool) -> bool:
    """Remove a file; a lock only while it is held here, so that whoever waits for it sees it go and makes a new one."""
    try:
        with FileLock(path, timeout=0) if lock else nullcontext():
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
