"""Views and tasks -> BM25 run (Pyserini)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.errors import run

if TYPE_CHECKING:
    pass

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: str) -> None:
    """Rank the documents of one landscape for each of its queries by BM25."""

    from patent_embeddings.core import costs, params, tables
    from patent_embeddings.corpus.schemas import POOL, QUERIES
    from patent_embeddings.retrieval import lucene
    from patent_embeddings.retrieval.bm25 import ranked_by_bm25, texts
    from patent_embeddings.retrieval.schemas import RUN

    cell = params.load()
    with costs.measured(layout.cost("bm25", landscape)) as cost:
        pool = tables.read(layout.task(landscape, "pool"), POOL)
        queries = tables.read(layout.task(landscape, "queries"), QUERIES)["query_id"].tolist()
        ranked = pool.loc[pool["ranked"], "family_id"].tolist()
        found = ranked_by_bm25(
            ranked, texts(landscape, cell.document_view, ranked), queries, texts(landscape, cell.query_view, queries),
            pool, cell.bm25, earlier=cell.tasks.pool == "earlier", label=f"bm25 {landscape}",
        )  # fmt: skip
        tables.write(found, layout.run(landscape, "bm25"), RUN)
        cost.update(texts=len(queries), documents=len(ranked), max_terms=lucene.MAX_TERMS)


if __name__ == "__main__":
    run(app)
