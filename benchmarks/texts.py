"""Texts of simulated families, the same for every contestant."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

SEED = 1
FEWEST = 50  # families of a simulated landscape
DESCRIPTION = 20_000  # characters of a long description


def write(view: str, texts: int, file: str) -> None:
    """Write the texts of a view of a simulated landscape as a JSON list; `full` has long descriptions."""
    from patent_embeddings.corpus import views
    from patent_embeddings.corpus.entries import view_entry
    from patent_embeddings.corpus.sources import load
    from patent_embeddings.corpus.values import Simulated

    entry = Simulated(source="simulated", licence="CC0-1.0", seed=SEED, families=max(texts, FEWEST))
    families = load("bench", entry).families
    if view == "full":
        families = families.assign(description=lengthened(families["description"].tolist()))
    made = views.texts(families, view_entry(view))["text"].tolist()[:texts]
    Path(file).write_text(json.dumps(made), encoding="utf-8")


def lengthened(texts: Sequence[str], characters: int = DESCRIPTION) -> list[str]:
    """Extend each description by those of the next families, cyclically, to so many characters."""
    ring = "".join(f"{text}\n" for text in texts)
    rounds = ring * (characters // len(ring) + 2)
    starts = accumulate((len(text) + 1 for text in texts[:-1]), initial=0)
    return [rounds[start : start + characters].removesuffix("\n") for start in starts]


def read(file: str) -> list[str]:
    """Read the texts that `write` wrote."""
    return json.loads(Path(file).read_text(encoding="utf-8"))
