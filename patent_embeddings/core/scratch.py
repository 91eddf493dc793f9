"""Clean the scratch folder: remove old files, then the least recently used ones until it fits."""

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
    """Remove files not written or read for `days`, then the least recently used until at most `gib` are left.

    Files that are in use or cannot be removed stay. Returns bytes freed and bytes left.
    """
    found, folders = [], []
    for place, _, names in os.walk(folder, topdown=False):
        folders.append(Path(place))
        for path in map(folders[-1].joinpath, names):
            with suppress(OSError):  # another process removed it
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
                # A held `x.lock` protects `x` and paths that begin with it; a held owner file protects its folder.
                held = [lock for lock in locks if _is_held(lock)]
                kept = tuple(str(lock.with_suffix("") if lock.suffix == ".lock" else lock.parent) for lock in held)
            if not str(path).startswith(kept) and _removed(path, path in locks):
                left -= size
    for one in folders:
        # Another process may be about to write into a new folder.
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
    """Remove a file; a lock file only while holding it, so that a process waiting for it creates a new one."""
    try:
        with FileLock(path, timeout=0) if lock else nullcontext():
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
