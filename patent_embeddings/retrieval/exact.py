"""Dense run of a landscape, by exact search."""

from __future__ import annotations

from collections.abc import Iterator

import faiss
import numpy as np
import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.arrays import Booleans, Floats, Integers, Search
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.vectors import Vectors
from patent_embeddings.corpus.pool import candidates
from patent_embeddings.retrieval import passages, ranking
from patent_embeddings.retrieval.geometry import centre, centred, prepared
from patent_embeddings.retrieval.values import SearchValues

BLOCK = 4096  # queries searched at once
_NEAR = 1 << 18  # numbers gathered at once when near ties are settled: 1 MiB, which stays in the cache


def run(
    landscape: str, queries: list[str], pool: pd.DataFrame, vectors: dict[str, Vectors], values: SearchValues
) -> Iterator[pd.DataFrame]:
    """Dense run of a landscape's queries over its documents.

    `queries` are ids, ascending, `pool` rows of `POOL`, `vectors` those of `documents` and `queries`. Returns rows of
    `RUN` in parts. Raises UserError: the vectors are of other queries or families, or of fewer dimensions than are
    asked for.
    """
    if vectors["queries"].ids != queries:
        found = layout.vector_ids(landscape, "queries")
        raise UserError(f"{found}: not the queries of {layout.task(landscape, 'queries')}; run `dvc repro`")
    documents = vectors["documents"].ids
    ranked = pd.Index(documents).isin(pool.loc[pool["ranked"], "family_id"])
    search, margin = Space(vectors["documents"], ranked, values).search(vectors["queries"])
    open_, label = candidates(documents, queries, pool, earlier=values.pool == "earlier"), f"search {landscape}"
    scores, rows = ranking.retrieve(search, open_, values.search.depth, label=label, block=BLOCK, margin=margin)
    return ranking.parts(queries, documents, scores, rows)


class Space:
    """The documents of a landscape as they are searched, made ready once for one search after another."""

    def __init__(self, documents: Vectors, ranked: Booleans, values: SearchValues) -> None:
        """`ranked` says which documents may be retrieved, [documents]. Raises UserError: too many dimensions asked."""
        settings, similarity = values.search, values.similarity
        self.values, self.first, self.mean = values, documents.first, None
        if values.window is not None:
            assert documents.first is not None
            self.rows, self.mean, self.ready = passages.opened(documents, ranked, settings, similarity)
            self.longest = passages.longest(self.rows, documents.first, self.ready)
            return
        self.rows = prepared(documents, settings.dimensions, similarity)
        if settings.centre == "landscape":
            self.mean = centre([(self.rows, ranked)], self.rows.shape[1], similarity)
            self.rows = centred(self.rows, self.mean, similarity)
        self.longest = ranking.longest(self.rows) if self.first is None else 0.0

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
        return inner_product(asked, self.rows, self.longest)

    def every(self, query: Vectors) -> Floats:
        """Score of every document for one query, float32 [documents], each in float64, so that equal ones tie."""
        if self.first is not None:
            scores, rows = self.search(query)[0](np.zeros(1, np.int64), len(self.first))
            return scores[0][rows[0].argsort()]
        found: Floats = np.einsum("ij,j->i", self.rows, self.asked(query)[0], dtype=np.float64).astype(np.float32)
        return found

    def passage(self, query: Vectors, document: int) -> int:
        """Which of a document's passages scores best for a query, the first among equals; windows are cut."""
        assert self.first is not None
        starts = np.append(self.first, len(self.rows))
        similar = self.ready(self.rows[starts[document] : starts[document + 1]]) @ self.asked(query)[0]
        return int(similar.argmax())


def inner_product(queries: Floats, documents: Floats, longest: float | None = None) -> tuple[Search, float]:
    """Exact search by inner product, float32 [queries, dimension] and [documents, dimension], and its margin.

    A matrix product rounds by the place of a number in its block, so equal vectors may differ in
    their last bit and tie no more. What lies within the margin is computed again, each pair by
    itself in float64: equal vectors score the same, wherever they stand.

    `longest`: length of the longest document, where it is known.
    """
    margin = ranking.margin(ranking.longest(queries), ranking.longest(documents) if longest is None else longest)

    def search(part: Integers, k: int) -> tuple[Floats, Integers]:
        scores: Floats
        scores, rows = faiss.knn(queries[part], documents, k, metric=faiss.METRIC_INNER_PRODUCT)
        query, place = np.nonzero(ranking.near(scores, margin))
        step = max(1, _NEAR // max(1, queries.shape[1]))
        for start in range(0, len(query), step):
            pair = query[start : start + step], place[start : start + step]
            left, right = queries[part[pair[0]]], documents[rows[pair]]
            scores[pair] = np.einsum("ij,ij->i", left, right, dtype=np.float64).astype(np.float32)
        return scores, rows

    return search, margin
