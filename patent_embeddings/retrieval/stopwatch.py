"""Seconds by kind of work; nested work is counted once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

PARTS = ("open", "model", "encode", "rank", "rerank")


class Clock:
    """A stopwatch for nested work: while an inner block runs, the outer one is paused."""

    def __init__(self) -> None:
        self.took = dict.fromkeys(PARTS, 0.0)
        self._at_work: list[str] = []
        self._since = time.perf_counter()

    @contextmanager
    def timing(self, part: str) -> Iterator[None]:
        """Add the block's seconds to one of `PARTS`."""
        self._count()
        self._at_work.append(part)
        try:
            yield
        finally:
            self._count()
            self._at_work.pop()

    def _count(self) -> None:
        now = time.perf_counter()
        if self._at_work:
            self.took[self._at_work[-1]] += now - self._since
        self._since = now
