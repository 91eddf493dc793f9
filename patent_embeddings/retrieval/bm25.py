"""Views and tasks -> BM25 run (Pyserini)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus import pool as pool_
from patent_embeddings.corpus.schemas import VIEW
from patent_embeddings.retrieval import lucene, ranking

if TYPE_CHECKING:
    import pandas as pd

    from patent_embeddings.core.params import Bm25

_BLOCK = 128  # queries in flight: patents are long, and Java holds a block's hits


def texts(landscape: str, view: str, ids: list[str]) -> list[str]:
    """Texts of some families in one view, in the order of `ids`.

    Raises:
        UserError: a family is not in the view's table.
    """

    path = layout.view(landscape, view)
    table = tables.read(path, VIEW, ["family_id", "text"])
    known = dict(zip(table["family_id"], table["text"], strict=True))
    missing = [family for family in ids if family not in known]
    if missing:
        raise UserError(f"{path}: family {missing[0]!r} of the landscape's pool is not there; run `dvc repro`")
    return [known[family] for family in ids]


def ranked_by_bm25(
    documents: list[str], document_texts: list[str], queries: list[str], query_texts: list[str],
    pool: pd.DataFrame, settings: Bm25, *, earlier: bool, label: str,
) -> pd.DataFrame:  # fmt: skip
    """BM25 run of queries over documents.

    Lucene's BM25 (Kamphuis et al., "Which BM25 do you mean?", ECIR 2020) on Pyserini's default
    English analysis: Porter stems, stop words dropped, every term of a query counted as often as
    it occurs, or weighed on the query's side too; see `lucene.index`.

    Args:
        documents: ids, ascending.
        document_texts: their texts; one without text is never found.
        queries: ids.
        query_texts: their texts.
        pool: rows of `POOL`.
        settings: k1, b, query_side and depth.
        earlier: rank only what is dated before the query.
        label: what progress shows.

    Returns:
        Rows of `RUN`.
    """

    open_ = pool_.candidates(documents, queries, pool, earlier=earlier)
    with lucene.index(
        document_texts, k1=settings.k1, b=settings.b, query_side=settings.query_side, label=f"{label}: index"
    ) as index:
        scores, rows = ranking.retrieve(
            lambda part, k: index.search([query_texts[place] for place in part], k),
            open_, settings.depth, label=label, block=_BLOCK,
        )  # fmt: skip
    return ranking.frame(queries, documents, scores, rows)
