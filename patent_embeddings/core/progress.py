"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def track(items: Iterable[T], total: int, label: str, unit: str = "texts", weight: int = 1) -> Iterator[T]:
    """Yield items, each `weight` of `total` units, and show count, rate and time left of `label` on stderr."""
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    # Away from a terminal a line every ten seconds is a log, not a flood.
    look = (
        {"mininterval": 0.1, "file": sys.stderr} if terminal else {"mininterval": 10.0, "file": _Lines(), "ascii": True}
    )
    bar = tqdm(total=total, desc=label, unit=f" {unit}", dynamic_ncols=terminal, **look)
    with bar:
        for item in items:
            yield item
            bar.update(min(weight, total - bar.n))


class _Lines:
    """Stream that turns tqdm's carriage returns into lines."""

    def write(self, text: str) -> int:
        line = text.strip("\r\n ")
        if line:
            print(line, file=sys.stderr, flush=True)
        return len(text)

    def flush(self) -> None:
        sys.stderr.flush()


def say(text: str) -> None:
    """Print a line of information on stderr."""
    print(text, file=sys.stderr, flush=True)
