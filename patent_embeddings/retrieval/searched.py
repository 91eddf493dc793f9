"""One landscape's vectors as the stage `search` ranks them: the ranked documents, cut, at unit length, centred."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from patent_embeddings.core import vectors
from patent_embeddings.core.arrays import Booleans, Floats, Integers, Search
from patent_embeddings.core.vectors import Vectors
from patent_embeddings.retrieval import nearest, passages
from patent_embeddings.retrieval.geometry import centre, centred, prepared
from patent_embeddings.retrieval.values import SearchValues


@dataclass(frozen=True)
class Searched:
    """Vectors of both sides, a row a query, and a row a document or passage."""

    queries: Floats  # [queries, dimension]
    documents: Floats  # [rows, dimension]
    starts: Integers  # first row of each family, and past the last row, int64 [families + 1]
    best: int = 1  # how many of its rows a family's score is the mean of
    mean: Floats | None = None  # what was subtracted from both sides, [dimension]; None: nothing

    @property
    def several(self) -> bool:
        """Whether a family may have more than one row."""
        return len(self.starts) - 1 != len(self.documents)


def read(landscape: str, pool: pd.DataFrame, values: SearchValues) -> tuple[dict[str, Vectors], Booleans, list[str]]:
    """Vectors of `documents` and `queries` on disk, which families are ranked, [families], and the ids of these.

    `pool` are rows of `POOL`. Not of late interaction. Raises UserError where a file is absent or damaged.
    """
    sides = {
        "documents": vectors.read(landscape, "documents", ragged=values.window is not None),
        "queries": vectors.read(landscape, "queries", ragged=False),
    }
    ranked = pd.Index(sides["documents"].ids).isin(pool.loc[pool["ranked"], "family_id"])
    return sides, ranked, [family for family, kept in zip(sides["documents"].ids, ranked, strict=True) if kept]


def searched(sides: dict[str, Vectors], ranked: Booleans, values: SearchValues) -> Searched:
    """The vectors of `documents` and `queries` as they are searched; not those of late interaction.

    `ranked` says which families may be retrieved, [families]: the others are left out. Raises UserError: the vectors
    are of fewer dimensions than are asked for.
    """
    settings, similarity = values.search, values.similarity
    documents, asked = (prepared(sides[side], settings.dimensions, similarity) for side in ("documents", "queries"))
    first = sides["documents"].first
    counts = np.ones(len(ranked), np.int64) if first is None else np.diff(np.append(first, len(documents)))
    kept = documents[np.repeat(ranked, counts)]
    mean = None
    if settings.centre == "landscape":
        mean = centre([(kept, np.ones(len(kept), dtype=bool))], kept.shape[1], similarity)
        kept, asked = centred(kept, mean, similarity), centred(asked, mean, similarity)
    starts = np.concatenate([[0], np.cumsum(counts[ranked])])
    return Searched(asked, kept, starts, passages.BEST[settings.passages], mean)


def by_inner_product(queries: Floats, documents: Floats, starts: Integers, best: int) -> tuple[Search, float]:
    """Exact search of some form of both sides' vectors, rows as `Searched` has them, and its margin."""
    if len(starts) - 1 == len(documents):
        return nearest.search(queries, documents), 0.0
    return passages.search(queries, documents, starts[:-1], best, lambda part: part)
