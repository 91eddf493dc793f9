"""Lines for a terminal: progress of long work, aligned columns, information."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


def track(items: Iterable[T], total: int, label: str, unit: str = "texts", weight: int = 1) -> Iterator[T]:
    """Yield items, each worth `weight` of `total` units, and show progress, rate and time left on stderr."""
    with meter(total, label, unit) as seen:
        for item in items:
            yield item
            seen(weight)


@contextmanager
def meter(total: int, label: str, unit: str) -> Iterator[Callable[[int], None]]:
    """Show progress, rate and time left on stderr; yields a function to call with each number of units done."""
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    # Without a terminal, one line every ten seconds.
    look = (
        {"mininterval": 0.1, "file": sys.stderr} if terminal else {"mininterval": 10.0, "file": _Lines(), "ascii": True}
    )
    scaled = unit == "B"
    bar = tqdm(total=total, desc=label, unit=f" {unit}", unit_scale=scaled, dynamic_ncols=terminal, **look)
    with bar:

        def seen(done: int) -> None:
            bar.update(min(done, total - bar.n))

        yield seen


class _Lines:
    """A stream that turns tqdm's carriage returns into lines."""

    def write(self, text: str) -> int:
        line = text.strip("\r\n ")
        if line:
            print(line, file=sys.stderr, flush=True)
        return len(text)

    def flush(self) -> None:
        sys.stderr.flush()


def say(text: str) -> None:
    """Print an informational line on stderr."""
    print(text, file=sys.stderr, flush=True)


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """One line per row, two blanks between columns; the columns numbered in `right` are right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    form = "  ".join(f"{{:{'>' if place in right else '<'}{width}}}" for place, width in enumerate(widths))
    return [form.format(*row).rstrip() for row in rows]
