"""Families and citations -> queries, relevance judgements (IN, OUT), label sets, splits and the ranked pool."""

from __future__ import annotations

import typer

from patent_embeddings.core.running import run

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: str) -> None:
    """Write the task tables of one landscape."""
    from patent_embeddings.core import costs, layout, params, tables
    from patent_embeddings.corpus.judgements import judgements, queries
    from patent_embeddings.corpus.labels import label_sets
    from patent_embeddings.corpus.pool import pool
    from patent_embeddings.corpus.schemas import CITATIONS, FAMILIES, LABELS, POOL, QRELS, QUERIES, RELATIONS
    from patent_embeddings.corpus.splits import split_of
    from patent_embeddings.corpus.values import TasksValues

    with costs.measured(layout.cost("tasks", landscape)):
        values = params.read("tasks", TasksValues, landscape)
        families = tables.read(layout.families(landscape), FAMILIES, ["family_id", "ipc", "cpc", "date", "labels"])
        citations = tables.read(layout.citations(landscape), CITATIONS)
        relations = tables.read(layout.relations(landscape), RELATIONS)
        judged = relations if len(relations) else judgements(citations, families, values.relevance)
        splits = split_of(families["family_id"], values.seed, values.fold)
        tables.write(queries(judged, splits), layout.task(landscape, "queries"), QUERIES)
        tables.write(judged, layout.task(landscape, "qrels"), QRELS)
        tables.write(label_sets(families, splits), layout.task(landscape, "labels"), LABELS)
        tables.write(pool(families, relations, splits), layout.task(landscape, "pool"), POOL)


if __name__ == "__main__":
    run(app)
