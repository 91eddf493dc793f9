"""A search in a process that may allocate little more than it took for a small pool."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import resource, sys, numpy as np
vectors = np.memmap(sys.argv[1], np.float32, "r", shape=({rows}, 64))
{small}
status = open("/proc/self/status").read()
limit = int(status.split("VmData:")[1].split()[0]) * 1024 + ({room} << 20)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
{large}
try:
    np.array(vectors)
except MemoryError:
    print("whole: no")
"""


def searched(folder: Path, rows: int, room: int, small: str, large: str) -> list[str]:
    """First two lines that a process prints.

    Args:
        folder: where the file of the vectors goes, zeros, float32 [rows, 64], mapped as `vectors`.
        rows: of it.
        room: MiB that may be allocated beyond what `small` took.
        small: code that searches a few of the rows.
        large: code that searches all of them and prints; "whole: no" follows where they do not fit in memory.
    """
    file = folder / "vectors.bin"
    with file.open("wb") as handle:
        handle.truncate(rows * 64 * 4)
    code = CODE.format(rows=rows, room=room, small=small, large=large)
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    return done.stdout.split("\n")[:2]
