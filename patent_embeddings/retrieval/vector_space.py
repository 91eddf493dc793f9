"""The vectors of one landscape as the stage `search` compares them: cut, normalised and centred."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from patent_embeddings.core import layout, vectors
from patent_embeddings.core.arrays import Booleans, Floats, Integers, Search
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.vectors import Vectors
from patent_embeddings.retrieval import nearest, passages
from patent_embeddings.retrieval.geometry import centre, centred, prepared
from patent_embeddings.retrieval.values import SearchValues


class Space:
    """The documents of a landscape, prepared once for any number of searches.

    Attributes:
        rows: their vectors, [rows, dimension]; passages as stored, which `ready` prepares.
        mean: what is subtracted from documents and queries, [dimension]; None: nothing.
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
        """Prepare queries as the documents are: float32 [rows, dimension]. Raises UserError: too many dimensions."""
        rows = prepared(queries, self.values.search.dimensions, self.values.similarity)
        return rows if self.mean is None else centred(rows, self.mean, self.values.similarity)

    def search(self, queries: Vectors) -> tuple[Search, float | None]:
        """Search and margin, for `ranking.retrieve`, of some queries. Raises UserError: too many dimensions asked."""
        asked, best = self.asked(queries), passages.BEST[self.values.search.passages]
        if self.values.window is not None:
            assert self.first is not None
            return passages.search(asked, self.rows, self.first, best, self.ready, self.longest)
        if self.first is not None and queries.first is not None:
            from patent_embeddings.retrieval import maxsim  # torch, which takes seconds: other searches do without

            return maxsim.by_document(asked, queries.first, self.rows, self.first), None
        return nearest.search(asked, self.rows), None

    def every(self, query: Vectors) -> Floats:
        """Score of every document for one query, float32 [documents], as if it were the only query searched for."""
        if self.first is not None:
            scores, rows = self.search(query)[0](np.zeros(1, np.int64), len(self.first))
            return scores[0][rows[0].argsort()]
        places = np.arange(len(self.rows))
        return nearest.score(self.asked(query), self.rows, np.zeros_like(places), places)

    def passage(self, query: Vectors, document: int) -> int:
        """Number of the passage of a document that scores best for a query, the first among equals."""
        assert self.first is not None
        starts = np.append(self.first, len(self.rows))
        similar = self.ready(self.rows[starts[document] : starts[document + 1]]) @ self.asked(query)[0]
        return int(similar.argmax())


@dataclass(frozen=True)
class Searched:
    """Prepared vectors: one row a query, and one row a document or passage."""

    queries: Floats  # [queries, dimension]
    documents: Floats  # [rows, dimension]
    starts: Integers  # first row of each family, and past the last row, int64 [families + 1]
    best: int = 1  # how many of its rows a family's score is the mean of
    mean: Floats | None = None  # what was subtracted from both sides, [dimension]; None: nothing

    @property
    def several(self) -> bool:
        """Whether a family may have more than one row."""
        return len(self.starts) - 1 != len(self.documents)

    def search(self, queries: Floats, documents: Floats) -> tuple[Search, float | None]:
        """Search and margin, for `ranking.retrieve`, over these vectors in another form, with the same rows."""
        if not self.several:
            return nearest.search(queries, documents), None
        return passages.search(queries, documents, self.starts[:-1], self.best, lambda part: part)


def read(landscape: str, pool: pd.DataFrame, values: SearchValues) -> tuple[dict[str, Vectors], Booleans, list[str]]:
    """Read the vectors of `documents` and `queries`, mark the ranked families, [families], and list their ids.

    `pool` are rows of `POOL`. Not for late interaction. Raises UserError: a file is absent or damaged, or a ranked
    family has no vector.
    """
    sides = {
        "documents": vectors.read(landscape, "documents", ragged=values.window is not None),
        "queries": vectors.read(landscape, "queries", ragged=False),
    }
    ranked = ranked_among(sides["documents"].ids, pool, landscape)
    return sides, ranked, [family for family, kept in zip(sides["documents"].ids, ranked, strict=True) if kept]


def ranked_among(documents: list[str], pool: pd.DataFrame, landscape: str) -> Booleans:
    """Which of the documents with a vector are ranked, [documents], by rows of `POOL`.

    Raises UserError: a ranked family has no vector, so that it could never be found.
    """
    ranked = pool.loc[pool["ranked"], "family_id"]
    if len(missing := ranked[~ranked.isin(documents)]):
        path = layout.vector_ids(landscape, "documents")
        raise UserError(f"{path}: family {missing.iloc[0]!r} of the landscape's pool has no vector; run `dvc repro`")
    return pd.Index(documents).isin(ranked)


def searched(sides: dict[str, Vectors], ranked: Booleans, values: SearchValues) -> Searched:
    """Prepare the vectors of `documents` and `queries`; not for late interaction.

    `ranked` marks the families that may be retrieved, [families]; the others are left out. Raises UserError: the
    vectors have fewer dimensions than `search.dimensions`.
    """
    space, first = Space(sides["documents"], ranked, values), sides["documents"].first
    counts = np.ones(len(ranked), np.int64) if first is None else np.diff(np.append(first, len(space.rows)))
    kept = space.ready(space.rows[np.repeat(ranked, counts)])
    starts = np.concatenate([[0], np.cumsum(counts[ranked])])
    return Searched(space.asked(sides["queries"]), kept, starts, passages.BEST[values.search.passages], space.mean)
