from __future__ import annotations

import os
import time
from pathlib import Path

from stages import scratch


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
