"""Measure the costs of a stage: seconds, texts and tokens per second, peak memory, device and its utilisation."""

from __future__ import annotations

import resource
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from patent_embeddings.core import distributed, environment, layout
from patent_embeddings.core.command import imported
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import write_json, write_text
from patent_embeddings.core.meter import metered, significant


@contextmanager
def measured(path: Path) -> Iterator[dict[str, Any]]:
    """Time the block and write its cost record on success: `seconds`, `peak_mib` (resident), `computed_by` and more.

    The block may set `texts` (number encoded or ranked), `computed` (of these, the ones not taken from the scratch),
    `device` and other plain values in the yielded dict. The figures of `Meter.read` are added, and `gpu_seconds`, for
    which GPUs were held. Raises UserError before the block if installed versions differ from environment.lock.
    """
    environment.verify()
    imported()
    record: dict[str, Any] = {"device": "cpu"}
    start = time.perf_counter()
    with metered() as meter:
        yield record
        seconds = time.perf_counter() - start
        record |= meter.read()
    record["seconds"] = round(seconds, 2)
    if computed := record.get("computed", record.get("texts")):
        record["texts_per_second"] = significant(computed / max(seconds, 1e-9))
    if "gpu" in record:
        record["gpu_seconds"] = round(seconds * distributed.count(), 2)
    record["computed_by"] = account()
    record["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    write_json(path, record)


def account() -> str:
    """A random name of this user on this machine, drawn once, to tell own results from restored ones; "" on failure."""
    try:
        path = layout.account()
        if not path.exists():
            write_text(path, f"{secrets.token_hex(6)}\n")
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UserError):
        return ""
