"""Tables that people read: what stands in them, however it is set (a page, a CSV file, LaTeX)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """A score with its interval, whose bounds are NaN where there is none, and what is said beside it."""

    value: float
    low: float
    high: float
    note: str = ""


Shown = str | int | float | Score | None


@dataclass(frozen=True)
class Sheet:
    """A table for people.

    A row's None is shown as a dash, a number with four significant places, a Score with its interval. The first `texts`
    columns are text; the others are numbers, set to the right.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[Shown]]
    caption: str = ""
    texts: int = 1
