"""What a stage cost: seconds, texts per second, peak memory, device."""

from __future__ import annotations

import resource
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from patent_embeddings.core import environment, layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import write_json, write_text


@contextmanager
def measured(path: Path) -> Iterator[dict[str, Any]]:
    """Time the block and write its cost record on success: `seconds`, `peak_mib` (resident), `computed_by` and more.

    The block may set `texts` (number encoded or ranked), `device` and any other plain value in the yielded dict.
    Raises UserError before the block where installed versions are not those of environment.lock.
    """
    environment.verify()
    record: dict[str, Any] = {"device": "cpu"}
    start = time.perf_counter()
    yield record
    seconds = time.perf_counter() - start
    record["seconds"] = round(seconds, 2)
    if record.get("texts"):
        record["texts_per_second"] = round(record["texts"] / max(seconds, 1e-9), 1)
    record["computed_by"] = account()
    record["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    write_json(path, record)


def account() -> str:
    """A random name of this user on this machine, drawn once, to tell own results from restored ones; "" at a fault."""
    try:
        path = layout.account()
        if not path.exists():
            write_text(path, f"{secrets.token_hex(6)}\n")
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UserError):
        return ""
