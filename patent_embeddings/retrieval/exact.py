"""Dense run of a landscape, by exact search."""

from __future__ import annotations

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

_BLOCK = 4096  # queries searched at once
_NEAR = 1 << 18  # numbers gathered at once when near ties are settled: 1 MiB, which stays in the cache


def run(
    landscape: str, queries: list[str], pool: pd.DataFrame, vectors: dict[str, Vectors], values: SearchValues
) -> pd.DataFrame:
    """Dense run of a landscape's queries over its documents.

    `queries` are ids, ascending, `pool` rows of `POOL`, `vectors` those of `documents` and `queries`. Returns rows of
    `RUN`. Raises UserError: the vectors are of other queries or families, or of fewer dimensions than are asked for.
    """
    if vectors["queries"].ids != queries:
        found = layout.vector_ids(landscape, "queries")
        raise UserError(f"{found}: not the queries of {layout.task(landscape, 'queries')}; run `dvc repro`")
    documents = vectors["documents"].ids
    ranked = pd.Index(documents).isin(pool.loc[pool["ranked"], "family_id"])
    search, margin = _search(vectors, ranked, values)
    open_, label = candidates(documents, queries, pool, earlier=values.pool == "earlier"), f"search {landscape}"
    scores, rows = ranking.retrieve(search, open_, values.search.depth, label=label, block=_BLOCK, margin=margin)
    return ranking.frame(queries, documents, scores, rows)


def _search(vectors: dict[str, Vectors], ranked: Booleans, values: SearchValues) -> tuple[Search, float]:
    """The search that values ask for, and its margin; `ranked` says which documents may be retrieved, [documents]."""
    settings, similarity = values.search, values.similarity
    documents, queries = vectors["documents"], vectors["queries"]
    if values.window is not None:
        asked = prepared(queries, settings.dimensions, similarity)
        return passages.by_family(asked, documents, ranked, settings, similarity)
    found, asked = (prepared(side, settings.dimensions, similarity) for side in (documents, queries))
    if settings.centre == "landscape":
        mean = centre([(found, ranked)], found.shape[1], similarity)
        found, asked = centred(found, mean, similarity), centred(asked, mean, similarity)
    if documents.first is not None and queries.first is not None:
        from patent_embeddings.retrieval import maxsim  # torch, which takes seconds: other searches do without

        return maxsim.by_document(asked, queries.first, found, documents.first), 0.0
    return inner_product(asked, found)


def inner_product(queries: Floats, documents: Floats) -> tuple[Search, float]:
    """Exact search by inner product, float32 [queries, dimension] and [documents, dimension], and its margin.

    A matrix product rounds by the place of a number in its block, so equal vectors may differ in
    their last bit and tie no more. What lies within the margin is computed again, each pair by
    itself in float64: equal vectors score the same, wherever they stand.
    """
    margin = ranking.margin(ranking.longest(queries), ranking.longest(documents))

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
