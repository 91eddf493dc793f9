"""Families -> one text per family and view."""

from __future__ import annotations

import re

import pandas as pd

from patent_embeddings.corpus.values import Sections

_NUMBER = re.compile(r"(?:^|\n)\s*\d{1,3}\s*[.)]\s+")
_DEPENDENT = re.compile(r"\b(?:claims?\s+\d|(?:preceding|previous|above|foregoing)\s+claims?)", re.IGNORECASE)


def texts(families: pd.DataFrame, view: Sections) -> pd.DataFrame:
    """Rows of `VIEW` of rows of `FAMILIES`: sections joined by one newline, an absent one left out."""
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
    """The first claim that refers to no other claim; the first claim where each one refers.

    Claims are told apart by their numbers at line starts; text without numbers is one claim.
    """
    parts = [part.strip() for part in _NUMBER.split(claims) if part.strip()]
    return next((part for part in parts if not _DEPENDENT.search(part)), parts[0] if parts else "")
