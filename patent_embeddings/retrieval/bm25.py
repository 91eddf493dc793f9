"""BM25 run of a landscape's queries over its ranked families."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from patent_embeddings.core.arrays import Floats, Integers
from patent_embeddings.core.params import Bm25
from patent_embeddings.core.threads import threads
from patent_embeddings.corpus.pool import candidates
from patent_embeddings.retrieval import lucene, ranking
from patent_embeddings.retrieval.exhaustive import Exhaustive
from patent_embeddings.retrieval.term_counts import counted

Texts = Mapping[str, str]
_BLOCK = 1024  # queries in flight: parts enough for every thread


def run(
    documents: Texts, queries: Texts, pool: pd.DataFrame, settings: Bm25, *, earlier: bool, label: str
) -> Iterator[pd.DataFrame]:
    """BM25 run of queries over documents, rows of `RUN`, some queries at a time.

    Lucene's BM25 (Kamphuis et al., "Which BM25 do you mean?", ECIR 2020) with Pyserini's default English analysis:
    Porter stems, stop words dropped; a query's terms count as often as they occur, or are weighted too, see
    `lucene.index`. Scored by `Exhaustive`, which gives the same bits as Lucene's searcher and is faster for a thousand
    hits, even for one term. `documents` and `queries` are texts by id, ids ascending; an empty document is never found.
    `pool`: rows of `POOL`. `earlier`: rank only families dated before the query. Raises UserError: no usable Java, or
    ids that are not in the pool.
    """
    families, asked = list(documents), list(queries)
    open_ = candidates(families, asked, pool, earlier=earlier)
    # A text that is document and query is analysed once.
    places = {text: place for place, text in enumerate(dict.fromkeys([*documents.values(), *queries.values()]))}
    counts = counted(lucene.analysed(list(places), f"{label}: terms"))
    options = settings.model_dump(include={"k1", "b", "query_side"})
    searched = Exhaustive(counts[[places[text] for text in documents.values()]], **options)
    wanted = counts[[places[text] for text in queries.values()]]
    with threads() as workers:

        def search(part: Integers, k: int) -> tuple[Floats, Integers]:
            return searched.search(wanted[part], k, workers)

        scores, rows = ranking.retrieve(search, open_, settings.depth, label=label, block=_BLOCK)
    return ranking.parts(asked, families, scores, rows)
