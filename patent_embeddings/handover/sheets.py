"""Content of tables for people, independent of their form (HTML, CSV, LaTeX)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Score:
    """A score with its interval, whose bounds are NaN where there is none, and a note."""

    value: float
    low: float
    high: float
    note: str = ""


Shown = str | int | float | Score | None


@dataclass(frozen=True)
class Sheet:
    """A table for people.

    None is shown as a dash, a number with four significant digits, a Score with its interval. The first `texts` columns
    are text; the others are numbers, aligned right. `source` names the files and the cell of the numbers.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[Shown]]
    caption: str = ""
    texts: int = 1
    source: str = ""

    def filled(self) -> Sheet:
        """The table without its empty columns."""
        kept = [place for place in range(len(self.head)) if any(row[place] not in (None, "") for row in self.rows)]
        rows = [[row[place] for place in kept] for row in self.rows]
        texts = sum(place < self.texts for place in kept)
        return replace(self, head=[self.head[place] for place in kept], rows=rows, texts=texts)
