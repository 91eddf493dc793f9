"""Dense run of a landscape, by exact search."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.vectors import Vectors
from patent_embeddings.corpus.pool import candidates
from patent_embeddings.retrieval import ranking, ray_search
from patent_embeddings.retrieval.values import SearchValues
from patent_embeddings.retrieval.vector_space import Space, ranked_among, require_queries

_BLOCK = 4096  # queries searched at once


def run(
    landscape: str, queries: list[str], pool: pd.DataFrame, vectors: dict[str, Vectors], values: SearchValues
) -> Iterator[pd.DataFrame]:
    """Dense run of a landscape's queries over its documents.

    `queries` are ids, ascending, `pool` rows of `POOL`, `vectors` those of `documents` and `queries`. Returns rows of
    `RUN` in parts. Raises UserError: the vectors are of other queries or families, have fewer dimensions than
    `search.dimensions`, or `search.engine` is ray, which cannot search them or is not installed.
    """
    if values.engine == "ray" and vectors["documents"].first is not None:
        several = "one vector a document, this cell has one a token or passage; set it to local"
        raise UserError(f"{layout.PARAMS}: search.engine is ray, which searches {several}")
    require_queries(vectors["queries"], queries, landscape)
    documents = vectors["documents"].ids
    ranked = ranked_among(documents, pool, landscape)
    space, label = Space(vectors["documents"], ranked, values), f"search {landscape}"
    if values.engine == "ray":
        search = ray_search.search(space.asked(vectors["queries"]), space.rows, label=f"{label} on Ray")
    else:
        search = space.search(vectors["queries"])
    open_ = candidates(documents, queries, pool, earlier=values.pool == "earlier")
    scores, rows = ranking.retrieve(search, open_, values.search.depth, label=label, block=_BLOCK)
    return ranking.parts(queries, documents, scores, rows)
