"""Views and tasks -> BM25 run (Pyserini)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from stages import layout
from stages.errors import UserError, run

if TYPE_CHECKING:
    import pandas as pd

    from stages.params import Bm25

app = typer.Typer(add_completion=False)

_BLOCK = 128  # queries in flight: patents are long, and Java holds a block's hits


@app.command()
def main(landscape: str) -> None:
    """Rank the documents of one landscape for each of its queries by BM25."""
    from stages import costs, lucene, params, tables

    cell = params.load()
    with costs.measured(layout.cost("bm25", landscape)) as cost:
        pool = tables.read(layout.task(landscape, "pool"), tables.POOL)
        queries = tables.read(layout.task(landscape, "queries"), tables.QUERIES)["query_id"].tolist()
        ranked = pool.loc[pool["ranked"], "family_id"].tolist()
        found = ranked_by_bm25(
            ranked, texts(landscape, cell.document_view, ranked), queries, texts(landscape, cell.query_view, queries),
            pool, cell.bm25, earlier=cell.tasks.pool == "earlier", label=f"bm25 {landscape}",
        )  # fmt: skip
        tables.write(found, layout.run(landscape, "bm25"), tables.RUN)
        cost.update(texts=len(queries), documents=len(ranked), max_terms=lucene.MAX_TERMS)


def texts(landscape: str, view: str, ids: list[str]) -> list[str]:
    """Texts of some families in one view, in the order of `ids`.

    Raises:
        UserError: a family is not in the view's table.
    """
    from stages import tables

    path = layout.view(landscape, view)
    table = tables.read(path, tables.VIEW, ["family_id", "text"])
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
        pool: rows of `tables.POOL`.
        settings: k1, b, query_side and depth.
        earlier: rank only what is dated before the query.
        label: what progress shows.

    Returns:
        Rows of `tables.RUN`.
    """
    from stages import lucene, ranking

    open_ = ranking.candidates(documents, queries, pool, earlier=earlier)
    with lucene.index(
        document_texts, k1=settings.k1, b=settings.b, query_side=settings.query_side, label=f"{label}: index"
    ) as index:
        scores, rows = ranking.retrieve(
            lambda part, k: index.search([query_texts[place] for place in part], k),
            open_, settings.depth, label=label, block=_BLOCK,
        )  # fmt: skip
    return ranking.frame(queries, documents, scores, rows)


if __name__ == "__main__":
    run(app)
