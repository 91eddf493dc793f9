"""BM25 run of a landscape's queries over its ranked families."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from patent_embeddings.core.arrays import Floats, Integers
from patent_embeddings.core.params import Bm25
from patent_embeddings.corpus.pool import candidates
from patent_embeddings.retrieval import lucene, ranking
from patent_embeddings.retrieval.exhaustive import Exhaustive

Texts = Mapping[str, str]
_BLOCK = 128  # queries in flight: patents are long, and Java holds a block's hits
_LONG = 5  # distinct terms of a query, mean, from which every posting is scored: measured 7 times as fast there


def run(
    documents: Texts, queries: Texts, pool: pd.DataFrame, settings: Bm25, *, earlier: bool, label: str
) -> pd.DataFrame:
    """BM25 run of queries over documents, rows of `RUN`.

    Lucene's BM25 (Kamphuis et al., "Which BM25 do you mean?", ECIR 2020) on Pyserini's default English analysis: Porter
    stems, stop words dropped, every term of a query counted as often as it occurs, or weighed on the query's side too;
    see `lucene.index`. Long queries are scored by `Exhaustive`, to the same bits. `documents` and `queries` are texts
    by id, ids ascending; one without text is never found.
    `pool`: rows of `POOL`. `earlier`: rank only what is dated before the query. Raises UserError: no usable Java, or
    ids that are not the pool's.
    """
    families, asked, texts = list(documents), list(queries), list(queries.values())
    open_ = candidates(families, asked, pool, earlier=earlier)
    options = settings.model_dump(include={"k1", "b", "query_side"})
    with lucene.index(list(documents.values()), **options, label=f"{label}: index") as index:
        terms = [len(index.weighed(text)) for text in texts[:_BLOCK]]
        searcher = Exhaustive(index) if terms and np.mean(terms) >= _LONG else index

        def search(part: Integers, k: int) -> tuple[Floats, Integers]:
            return searcher.search([texts[place] for place in part], k)

        scores, rows = ranking.retrieve(search, open_, settings.depth, label=label, block=_BLOCK)
    return ranking.frame(asked, families, scores, rows)
