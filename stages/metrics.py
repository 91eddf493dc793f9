"""Runs and vectors -> outcomes of queries and families, scores with intervals, and losses of compressed vectors."""

from __future__ import annotations

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.command import Landscape, run

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: Landscape) -> None:
    """Score every system of one landscape: retrieval, classification and clustering."""
    from patent_embeddings.core import costs, params, tables
    from patent_embeddings.core.progress import say
    from patent_embeddings.corpus import pool as pool_
    from patent_embeddings.corpus.schemas import LABELS, POOL, QRELS, QUERIES
    from patent_embeddings.evaluation import outcomes, systems
    from patent_embeddings.evaluation.schemas import COMPRESSION, ORACLES, OUTCOMES, SCORES
    from patent_embeddings.evaluation.values import MetricsValues
    from patent_embeddings.retrieval import quantised
    from patent_embeddings.retrieval.schemas import RUN

    with costs.measured(layout.cost("metrics", landscape)) as cost:
        values = params.read("metrics", MetricsValues, landscape)
        queries = tables.read(layout.task(landscape, "queries"), QUERIES)
        qrels = tables.read(layout.task(landscape, "qrels"), QRELS)
        labels = tables.read(layout.task(landscape, "labels"), LABELS)
        pool = tables.read(layout.task(landscape, "pool"), POOL)
        reach = pool_.reachable(qrels, pool, earlier=values.pool == "earlier")
        for line in pool_.limits(qrels, reach, queries, pool) if values.pool == "earlier" else ():
            say(f"{landscape}: {line}")
        names = systems.metrics("retrieval", judged=values.relevance == "judged")
        judged = outcomes.Judged(queries, qrels, reach, labels, names, values.threshold)
        rows, scores = outcomes.measure(
            landscape,
            judged,
            lambda name: tables.parts(layout.run(landscape, name), RUN),
            tables.read(layout.oracles(landscape), ORACLES),
            values,
        )
        compressed = quantised.measure(landscape, judged, pool, values)
        tables.write(rows, layout.outcomes(landscape), OUTCOMES)
        tables.write(scores, layout.scores(landscape), SCORES)
        tables.write(compressed, layout.compression(landscape), COMPRESSION)
        cost.update(queries=len(queries), labelled=labels["family_id"].nunique())


if __name__ == "__main__":
    run(app)
