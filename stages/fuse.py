"""BM25 and dense runs -> reciprocal rank fusion and interpolation, tuned on dev queries only."""

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
    """Fuse the BM25 and the dense run of one landscape, both ways."""

    from patent_embeddings.core import costs, params, tables
    from patent_embeddings.corpus.pool import reachable
    from patent_embeddings.corpus.schemas import POOL, QRELS, QUERIES
    from patent_embeddings.retrieval.fusion import UNTUNED, Legs, fused, tune
    from patent_embeddings.retrieval.ranking import matrices
    from patent_embeddings.retrieval.schemas import FUSION, RUN

    cell = params.load()
    settings = cell.fuse
    with costs.measured(layout.cost("fuse", landscape)) as cost:
        queries = tables.read(layout.task(landscape, "queries"), QUERIES)
        qrels = tables.read(layout.task(landscape, "qrels"), QRELS)
        pool = tables.read(layout.task(landscape, "pool"), POOL)
        families = pool["family_id"].tolist()
        asked = queries["query_id"].tolist()
        bm25, dense = (
            matrices(tables.read(layout.run(landscape, leg), RUN), asked, families, settings.depth)
            for leg in ("bm25", "dense")
        )
        legs = Legs(asked, families, bm25, dense)
        # A query whose relevant families are all out of reach says nothing of a setting.
        within = qrels[reachable(qrels, pool, earlier=cell.tasks.pool == "earlier") & (qrels["relevance"] > 0)]
        scored = queries[queries["query_id"].isin(within["query_id"])]
        tuned = tune(legs, qrels, scored, settings, label=f"fuse {landscape}: tune")
        for method in UNTUNED:
            chosen = fused(legs, method, tuned.chosen[method], settings.depth)
            tables.write(chosen, layout.run(landscape, method), RUN)
            if tuned.oracle[method] != tuned.chosen[method]:
                chosen = fused(legs, method, tuned.oracle[method], settings.depth)
            tables.write(chosen, layout.run(landscape, f"oracle-{method}"), RUN)
        tables.write(tuned.table, layout.fusion(landscape), FUSION)
        cost.update(texts=len(asked), tuned=tuned.on_dev, chosen=tuned.chosen)


if __name__ == "__main__":
    run(app)
