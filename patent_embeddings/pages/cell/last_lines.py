"""The lines that the last report printed, kept so that `report --show` need not compute them again."""

from __future__ import annotations

from patent_embeddings.core import layout
from patent_embeddings.core.files import read_json, sha256, write_json


def keep(lines: str) -> None:
    """Keep the lines printed for the scores that have just been written."""
    write_json(layout.SUMMARY, {"lines": lines, "scores": sha256(layout.SCORES)})


def kept() -> str | None:
    """The lines printed for the current reports/scores.csv; None where none are kept for it."""
    if not (layout.SUMMARY.is_file() and layout.SCORES.is_file()):
        return None
    found = read_json(layout.SUMMARY)
    whole = isinstance(found, dict) and {*found} == {"lines", "scores"}
    return str(found["lines"]) if whole and found["scores"] == sha256(layout.SCORES) else None
