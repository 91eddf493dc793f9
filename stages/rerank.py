"""A run and the texts -> its best families reranked by a cross-encoder; off unless `rerank.model` names one."""

from __future__ import annotations

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.command import Landscape, run

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: Landscape) -> None:
    """Rerank the best families of one system's run; without a model write an empty run."""
    from patent_embeddings.core import costs, params, tables
    from patent_embeddings.corpus import texts
    from patent_embeddings.retrieval.schemas import RUN
    from patent_embeddings.retrieval.values import RerankValues

    with costs.measured(layout.cost("rerank", landscape)) as cost:
        values = params.read("rerank", RerankValues, landscape)
        found = tables.empty(RUN)
        if values.reranker is not None:
            from patent_embeddings.encoders import rerankers  # torch, which takes seconds
            from patent_embeddings.encoders.loading import offline
            from patent_embeddings.retrieval import reranking

            first = tables.read(layout.run(landscape, values.system), RUN)
            best = first[first["rank"] <= values.depth]
            queries = texts.queries(landscape, values.query_view)
            documents = texts.texts(landscape, values.document_view)
            with offline():
                cross = rerankers.reranker(values.reranker, dtype=values.dtype)
                found = reranking.run(best, queries, documents, cross, label=f"rerank {landscape}")
            cost.update(texts=len(found), device=cross.device, dtype=cross.dtype, system=values.system)
        tables.write(found, layout.run(landscape, "reranked"), RUN)


if __name__ == "__main__":
    run(app)
