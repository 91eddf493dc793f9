"""Views and tasks -> BM25 run (Pyserini)."""

from __future__ import annotations

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.command import Landscape, run

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: Landscape) -> None:
    """Rank the documents of one landscape for each of its queries by BM25."""
    from patent_embeddings.core import costs, params, tables
    from patent_embeddings.corpus import texts
    from patent_embeddings.corpus.schemas import POOL
    from patent_embeddings.retrieval import bm25
    from patent_embeddings.retrieval.schemas import RUN
    from patent_embeddings.retrieval.values import Bm25Values

    with costs.measured(layout.cost("bm25", landscape)) as cost:
        values = params.read("bm25", Bm25Values, landscape)
        pool = tables.read(layout.task(landscape, "pool"), POOL)
        documents = texts.texts(landscape, values.document_view, pool.loc[pool["ranked"], "family_id"])
        queries = texts.queries(landscape, values.query_view)
        found = bm25.run(
            documents, queries, pool, values.bm25, earlier=values.pool == "earlier", label=f"bm25 {landscape}"
        )
        tables.write_parts(found, layout.run(landscape, "bm25"), RUN)
        cost.update(texts=len(queries), documents=len(documents))


if __name__ == "__main__":
    run(app)
