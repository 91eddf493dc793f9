"""One landscape's vectors as the stage `search` ranks them: cut, at unit length, centred."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from patent_embeddings.core import vectors
from patent_embeddings.core.arrays import Booleans, Floats, Integers, Search
from patent_embeddings.core.vectors import Vectors
from patent_embeddings.retrieval import nearest, passages
from patent_embeddings.retrieval.geometry import centre, centred, prepared
from patent_embeddings.retrieval.values import SearchValues


class Space:
    """The documents of a landscape as they are searched, made ready once for one search after another.

    Attributes:
        rows: their vectors, [rows, dimension]; passages as they lie, to be made `ready`.
        mean: what is subtracted from both sides, [dimension]; None: nothing.
    """

    def __init__(self, documents: Vectors, ranked: Booleans, values: SearchValues) -> None:
        """`ranked` says which documents may be retrieved, [documents]. Raises UserError: too many dimensions asked."""
        settings, similarity = values.search, values.similarity
        self.values, self.first = values, documents.first
        self.mean: Floats | None = None
        self.rows: Floats
        self.ready: passages.Ready
        if values.window is not None:
            self.rows, self.mean, self.ready = passages.opened(documents, ranked, settings, similarity)
            return
        self.rows, self.ready = prepared(documents, settings.dimensions, similarity), lambda rows: rows
        if settings.centre == "landscape":
            self.mean = centre([(self.rows, ranked)], self.rows.shape[1], similarity)
            self.rows = centred(self.rows, self.mean, similarity)

    @cached_property
    def longest(self) -> float:
        """Length of the longest passage."""
        assert self.first is not None
        return passages.longest(self.rows, self.first, self.ready)

    def asked(self, queries: Vectors) -> Floats:
        """Queries as they are searched for, float32 [rows, dimension]. Raises UserError: too many dimensions asked."""
        rows = prepared(queries, self.values.search.dimensions, self.values.similarity)
        return rows if self.mean is None else centred(rows, self.mean, self.values.similarity)

    def search(self, queries: Vectors) -> tuple[Search, float]:
        """The search of `ranking.retrieve` for some queries, and its margin. Raises UserError as `asked`."""
        asked, best = self.asked(queries), passages.BEST[self.values.search.passages]
        if self.values.window is not None:
            assert self.first is not None
            return passages.search(asked, self.rows, self.first, best, self.ready, self.longest)
        if self.first is not None and queries.first is not None:
            from patent_embeddings.retrieval import maxsim  # torch, which takes seconds: other searches do without

            return maxsim.by_document(asked, queries.first, self.rows, self.first), 0.0
        return nearest.search(asked, self.rows), 0.0

    def every(self, query: Vectors) -> Floats:
        """Score of every document for one query, float32 [documents]; those of a search of its own."""
        if self.first is not None:
            scores, rows = self.search(query)[0](np.zeros(1, np.int64), len(self.first))
            return scores[0][rows[0].argsort()]
        places = np.arange(len(self.rows))
        return nearest.score(self.asked(query), self.rows, np.zeros_like(places), places)

    def passage(self, query: Vectors, document: int) -> int:
        """Which of a document's passages scores best for a query, the first among equals; windows are cut."""
        assert self.first is not None
        starts = np.append(self.first, len(self.rows))
        similar = self.ready(self.rows[starts[document] : starts[document + 1]]) @ self.asked(query)[0]
        return int(similar.argmax())


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
    space, first = Space(sides["documents"], ranked, values), sides["documents"].first
    counts = np.ones(len(ranked), np.int64) if first is None else np.diff(np.append(first, len(space.rows)))
    kept = space.ready(space.rows[np.repeat(ranked, counts)])
    starts = np.concatenate([[0], np.cumsum(counts[ranked])])
    return Searched(space.asked(sides["queries"]), kept, starts, passages.BEST[values.search.passages], space.mean)


def by_inner_product(queries: Floats, documents: Floats, starts: Integers, best: int) -> tuple[Search, float]:
    """Exact search of some form of both sides' vectors, rows as `Searched` has them, and its margin."""
    if len(starts) - 1 == len(documents):
        return nearest.search(queries, documents), 0.0
    return passages.search(queries, documents, starts[:-1], best, lambda part: part)
