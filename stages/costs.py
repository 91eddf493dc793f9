"""What a stage cost: seconds, texts per second, peak memory, device."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.files import write_json


@contextmanager
def measured(path: Path) -> Iterator[dict[str, Any]]:
    """Time the block and write its cost record on success.

    The block may set `texts` (number encoded or ranked), `device` and any other plain value
    in the yielded dict. Written: `seconds`, `peak_mib` (resident, of this process) and those.
    """
    record: dict[str, Any] = {"device": "cpu"}
    start = time.perf_counter()
    yield record
    seconds = time.perf_counter() - start
    record["seconds"] = round(seconds, 2)
    if record.get("texts"):
        record["texts_per_second"] = round(record["texts"] / max(seconds, 1e-9), 1)
    record["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    write_json(path, record)
