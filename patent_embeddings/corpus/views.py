"""Texts of families in a view: sections joined by newlines."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from patent_embeddings.corpus.values import Sections

_BEFORE = r"\b(?i:claim\w*(?: is| are)?:)"  # `What is claimed is:`
# The number of a claim may touch its text, as in translations: `1.A pump`.
_LINE_NUMBER = re.compile(rf"(?:^|\n|{_BEFORE})\s*(\d{{1,3}})\s*([.)])(?:\s+|(?=[^\W\d_]))")
_INLINE_NUMBER = re.compile(
    rf"(?:^|(?<=[.;)]\s)(?<!\b[Ff]ig\.\s)(?<!\b[Nn]o\.\s)|{_BEFORE})\s*(\d{{1,3}})\s*(\.)\s+(?=[A-Z(])"
)
_CANCELLED = re.compile(r"[\W\d_]*(?:to[\W\d_]*)?(?:cancell?ed|deleted)\W*", re.IGNORECASE)  # `1-20. (canceled)`
_DEPENDENT = re.compile(r"\b(?:claims?\s+\d|(?:preceding|previous|above|foregoing)\s+claims?)", re.IGNORECASE)


def texts(families: pd.DataFrame, view: Sections) -> pd.DataFrame:
    """Rows of `VIEW` for rows of `FAMILIES`: the sections that a family has, joined by one newline."""
    columns = [section(families, name) for name in view.sections]
    rows = ["\n".join(part for part in parts if part) for parts in zip(*columns, strict=True)]
    complete = [all(parts) for parts in zip(*columns, strict=True)]
    ids = families["family_id"].to_numpy()
    return pd.DataFrame({"family_id": ids, "text": pd.Series(rows, dtype="str"), "complete": complete})


def section(families: pd.DataFrame, name: str) -> list[str]:
    """One section of every family: a column of `FAMILIES`, or `claim1`, cut from the claims."""
    if name == "claim1":
        return [first_independent(claims) for claims in families["claims"]]
    return families[name].str.strip().tolist()


def first_independent(claims: str) -> str:
    """The first claim that refers to no other claim, else the first claim; cancelled claims are none."""
    found = [claim for claim in _split(claims) if claim and not _CANCELLED.fullmatch(claim)]
    return next((claim for claim in found if not _DEPENDENT.search(claim)), found[0] if found else "")


def _split(claims: str) -> list[str]:
    """Claims, split at rising numbers at line starts, or within the lines where fewer than two are at line starts.

    Text before claim 1, such as `What is claimed is:`, is no claim. Text without numbers is one claim.
    """
    marks = _rising(_LINE_NUMBER.finditer(claims), 1000)
    if len(marks) < 2:
        marks = _rising(_INLINE_NUMBER.finditer(claims), 1) or marks
    ends = [*(mark.start() for mark in marks), len(claims)]
    found = [claims[mark.end() : end].strip() for mark, end in zip(marks, ends[1:], strict=True)]
    first_unnumbered = not marks or marks[0][1] == "2"
    return [claims[: ends[0]].strip(), *found] if first_unnumbered else found


def _rising(marks: Iterable[re.Match[str]], step: int) -> list[re.Match[str]]:
    """Numbers that rise by at most `step` and have the first one's sign: the others number parts of a claim."""
    found: list[re.Match[str]] = []
    for mark in marks:
        if not found or (mark[2] == found[0][2] and 0 < int(mark[1]) - int(found[-1][1]) <= step):
            found.append(mark)
    return found
