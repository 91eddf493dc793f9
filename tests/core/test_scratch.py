from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock
from workspaces import ROOT

from patent_embeddings.core import scratch
from patent_embeddings.core.files import OWNER, PARTIAL


def put(path: Path, size: int, age_days: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    moment = time.time() - age_days * 86400
    os.utime(path, (moment, moment))
    return path


def test_old_files_go_first_and_then_the_least_recently_used(tmp_path: Path) -> None:
    old, middle, new = (
        put(tmp_path / "a/old", 100, 40),
        put(tmp_path / "b/middle", 100, 2),
        put(tmp_path / "c/new", 100, 1),
    )
    assert scratch.clean(tmp_path, days=30, gib=1) == (100, 200)
    assert not old.exists() and middle.exists() and new.exists()
    assert scratch.clean(tmp_path, days=30, gib=150 / 2**30) == (100, 100)
    assert not middle.exists() and new.exists()


def test_a_scratch_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert scratch.clean(tmp_path / "absent") == (0, 0)


def test_a_file_that_may_not_be_removed_stays_and_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, ours = put(tmp_path / "a/theirs", 100, 40), put(tmp_path / "b/ours", 10, 40)
    remove = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path == theirs:
            raise PermissionError(1, "Operation not permitted", str(path))
        remove(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    assert scratch.clean(tmp_path, days=30) == (10, 100)
    assert theirs.exists() and not ours.exists()


def test_a_folder_that_fills_or_goes_meanwhile_fails_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders seen empty are not empty, or gone, when they are removed."""
    for name in ("filled", "gone"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    remove = Path.rmdir

    def late(path: Path) -> None:
        if path.name == "filled":
            (path / "new").touch()
        else:
            remove(path)
        remove(path)

    monkeypatch.setattr(Path, "rmdir", late)
    scratch.clean(tmp_path)
    assert (tmp_path / "filled/new").exists() and not (tmp_path / "gone").exists()


@pytest.mark.parametrize(("days", "gib"), [(30, 1), (1000, 0)], ids=["by age", "by size"])
def test_no_lock_that_is_held_goes_nor_what_it_keeps(tmp_path: Path, days: float, gib: float) -> None:
    work = f"training/.x{PARTIAL}"
    held = [put(tmp_path / name, 10, 40) for name in ("downloads/a.lock", f"{work}/{OWNER}", "training/cell.lock")]
    beside = ("downloads/a.part", f"{work}/x/deep", "training/cell/checkpoint-3/w")
    in_use = [put(tmp_path / name, 10, 40) for name in beside]
    others = ("downloads/b.lock", "downloads/b.part", "measuring/c.lock", f".y{PARTIAL}/{OWNER}")
    free = [put(tmp_path / name, 10, 40) for name in others]
    holding = "import sys\nfrom filelock import FileLock\n"
    holding += "locks = [FileLock(name) for name in sys.argv[1:]]\n[lock.acquire() for lock in locks]\n"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{holding}print('held', flush=True); input()", *map(str, held)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout and process.stdout.readline() == "held\n"
        scratch.clean(tmp_path, days=days, gib=gib)
        assert all(path.exists() for path in held + in_use)
        assert not any(path.exists() for path in free)
        with pytest.raises(TimeoutError), FileLock(held[0], timeout=0):
            pass
    finally:
        process.communicate("\n")
    assert scratch.clean(tmp_path, days=days, gib=gib)[1] == 0
