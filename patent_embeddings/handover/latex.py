"""Tables as LaTeX for documents that use booktabs."""

from __future__ import annotations

import pandas as pd

from patent_embeddings.handover.sheets import Score, Sheet, Shown

_WORDS = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_ESCAPED = str.maketrans({**{sign: f"\\{sign}" for sign in "&%$#_{}"}, **_WORDS})


def latex(sheet: Sheet) -> str:
    """A sheet as LaTeX; everything in it is escaped."""
    frame = pd.DataFrame([[_words(value) for value in row] for row in sheet.rows], columns=list(sheet.head))
    columns = "l" * sheet.texts + "r" * (len(sheet.head) - sheet.texts)
    caption = sheet.caption.translate(_ESCAPED) or None
    return frame.to_latex(index=False, escape=True, column_format=columns, caption=caption)


def _words(value: Shown) -> str:
    if isinstance(value, Score):
        return f"{value.value:.4f}" + (f" [{value.low:.3f}, {value.high:.3f}]" if value.low == value.low else "")
    if value is None:
        return "--"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
