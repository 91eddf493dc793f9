"""Content of tables for people, independent of their form (HTML, CSV, LaTeX), and as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

_WORDS = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_ESCAPED = str.maketrans({**{sign: f"\\{sign}" for sign in "&%$#_{}"}, **_WORDS})


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

    None and NaN are shown as a dash, a number with four significant digits, a Score with its interval. The first
    `texts` columns are text; the others are numbers, aligned right. `source` names the files and the cell of the
    numbers.
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


def latex(sheet: Sheet) -> str:
    """A sheet as LaTeX for documents that use booktabs; everything in it is escaped."""
    frame = pd.DataFrame([[_words(value) for value in row] for row in sheet.rows], columns=list(sheet.head))
    columns = "l" * sheet.texts + "r" * (len(sheet.head) - sheet.texts)
    caption = sheet.caption.translate(_ESCAPED) or None
    return frame.to_latex(index=False, escape=True, column_format=columns, caption=caption)


def _words(value: Shown) -> str:
    if isinstance(value, Score):
        return f"{value.value:.4f}" + (f" [{value.low:.3f}, {value.high:.3f}]" if value.low == value.low else "")
    if value is None or value != value:  # NaN is no number, as of an effect of one unit
        return "--"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
