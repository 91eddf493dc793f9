"""Dense run of a landscape, by exact search."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.arrays import Booleans, Floats, Search
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.vectors import Vectors
from patent_embeddings.corpus.pool import candidates
from patent_embeddings.retrieval import engines, nearest, passages, ranking
from patent_embeddings.retrieval.geometry import centre, centred, prepared
from patent_embeddings.retrieval.values import SearchValues

BLOCK = 4096  # queries searched at once


def run(
    landscape: str, queries: list[str], pool: pd.DataFrame, vectors: dict[str, Vectors], values: SearchValues
) -> Iterator[pd.DataFrame]:
    """Dense run of a landscape's queries over its documents.

    `queries` are ids, ascending, `pool` rows of `POOL`, `vectors` those of `documents` and `queries`. Returns rows of
    `RUN` in parts. Raises UserError: the vectors are of other queries or families, or of fewer dimensions than are
    asked for, or search.engine is ray and cannot be.
    """
    if values.engine == "ray" and vectors["documents"].first is not None:
        several = "one vector a document, this cell has one a token or passage; set it to local"
        raise UserError(f"{layout.PARAMS}: search.engine is ray, which searches {several}")
    if vectors["queries"].ids != queries:
        found = layout.vector_ids(landscape, "queries")
        raise UserError(f"{found}: not the queries of {layout.task(landscape, 'queries')}; run `dvc repro`")
    documents = vectors["documents"].ids
    ranked = pd.Index(documents).isin(pool.loc[pool["ranked"], "family_id"])
    space, label = Space(vectors["documents"], ranked, values), f"search {landscape}"
    if values.engine == "ray":
        search, margin = engines.search(space.asked(vectors["queries"]), space.rows, label=f"{label} on Ray"), 0.0
    else:
        search, margin = space.search(vectors["queries"])
    open_ = candidates(documents, queries, pool, earlier=values.pool == "earlier")
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
