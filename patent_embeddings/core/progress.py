"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def track(items: Iterable[T], total: int, label: str, unit: str = "texts", weight: int = 1) -> Iterator[T]:
    """Yield items, showing count, rate and time left on stderr.

    Args:
        items: what to go through.
        total: number of units in all.
        label: what is being done, such as `embed sim-alpha`.
        unit: name of a unit.
        weight: units an item stands for.
    """
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    # Away from a terminal a line every ten seconds is a log, not a flood.
    bar = tqdm(total=total, desc=label, unit=f" {unit}", mininterval=0.1 if terminal else 10.0,
               ascii=None if terminal else True, dynamic_ncols=terminal, file=sys.stderr if terminal else _Lines())  # fmt: skip
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
