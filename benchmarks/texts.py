"""Texts of simulated families, written once and read by every contestant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SEED = 1
DESCRIPTION = 20_000  # characters of a long description


def write(view: str, texts: int, file: str) -> None:
    """Write the texts of a view of a simulated landscape, one a family, as JSON.

    Args:
        view: `tac`, or `full`, whose descriptions are made 20,000 characters long.
        texts: how many families.
        file: where to.
    """
    import json

    from patent_embeddings.corpus import views
    from patent_embeddings.corpus.entries import Simulated, view_entry
    from patent_embeddings.corpus.sources import load

    entry = Simulated(source="simulated", description="", licence="CC0-1.0", seed=SEED, families=texts)
    families = load("bench", entry).families
    if view == "full":
        families = families.assign(description=lengthened(families["description"]))
    made = views.texts(families, view_entry(view))["text"].tolist()
    Path(file).write_text(json.dumps(made), encoding="utf-8")


def lengthened(descriptions: pd.Series[str], characters: int = DESCRIPTION) -> list[str]:
    """Each description followed by those of the next families, round and round, cut to so many characters."""
    texts = descriptions.tolist()
    out = []
    for place in range(len(texts)):
        parts: list[str] = []
        size = 0
        while size < characters:
            parts.append(texts[(place + len(parts)) % len(texts)])
            size += len(parts[-1]) + 1
        out.append("\n".join(parts)[:characters])
    return out


def read(file: str) -> list[str]:
    """The texts that `write` wrote."""
    import json

    texts: list[str] = json.loads(Path(file).read_text(encoding="utf-8"))
    return texts
