"""Embeddings -> dense run, by exact search."""

from __future__ import annotations

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.command import Landscape, run

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: Landscape) -> None:
    """Rank the documents of one landscape for each of its queries by their vectors."""
    from patent_embeddings.core import costs, gpus, params, tables
    from patent_embeddings.corpus.schemas import POOL, QUERIES
    from patent_embeddings.retrieval import exact, vector_space
    from patent_embeddings.retrieval.schemas import RUN
    from patent_embeddings.retrieval.values import SearchValues

    with costs.measured(layout.cost("search", landscape)) as cost:
        values = params.read("search", SearchValues, landscape)
        asked = tables.read(layout.task(landscape, "queries"), QUERIES)["query_id"].tolist()
        pool = tables.read(layout.task(landscape, "pool"), POOL)
        sides = vector_space.sides(landscape, values)
        # Only late interaction waits for a GPU: one vector per document is searched on processors too.
        with gpus.apart(wait=values.similarity == "maxsim"):
            found = exact.run(landscape, asked, pool, sides, values)
            tables.write_parts(found, layout.run(landscape, "dense"), RUN)
        cost.update(texts=len(asked), documents=int(pool["ranked"].sum()))


if __name__ == "__main__":
    run(app)
