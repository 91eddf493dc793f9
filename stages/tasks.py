"""Families and citations -> queries, relevance judgements with scopes, label sets, splits and the ranked pool."""

from __future__ import annotations

import typer

from patent_embeddings.core.command import Landscape, run

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: Landscape) -> None:
    """Write the queries, judgements, labels, splits and pool of one landscape."""
    from patent_embeddings.core import costs, layout, params, tables
    from patent_embeddings.corpus import judgements, pool
    from patent_embeddings.corpus.labels import label_sets
    from patent_embeddings.corpus.schemas import ASKED, CITATIONS, FAMILIES, LABELS, POOL, QRELS, QUERIES, RELATIONS
    from patent_embeddings.corpus.splits import split_of
    from patent_embeddings.corpus.values import TasksValues

    with costs.measured(layout.cost("tasks", landscape)):
        values = params.read("tasks", TasksValues, landscape)
        columns = ["family_id", "ipc", "cpc", "domains", "date", "priority", "labels"]
        families = tables.read(layout.families(landscape), FAMILIES, columns)
        citations = tables.read(layout.citations(landscape), CITATIONS)
        relations = tables.read(layout.relations(landscape), RELATIONS)
        asked = tables.read(layout.queries(landscape), ASKED)
        own = values.relevance == "judged"
        if values.dated:
            pool.require_dates(asked, landscape)
        judged = relations if len(relations) else judgements.judgements(citations, families, values.relevance)
        judged = judgements.scoped(relations, families, asked) if own else judged
        judgements.require_grade(judged, values.threshold, landscape)
        splits = split_of([*families["family_id"], *asked["query_id"]], values.seed, values.fold)
        scored = dict.fromkeys(splits, "test") if values.cross_fitted is not None else splits
        tables.write(judgements.queries(judged, scored, asked), layout.task(landscape, "queries"), QUERIES)
        tables.write(judged, layout.task(landscape, "qrels"), QRELS)
        tables.write(label_sets(families, splits), layout.task(landscape, "labels"), LABELS)
        ranked = pool.pool(families, relations.head(0) if own else relations, asked, splits)
        tables.write(ranked, layout.task(landscape, "pool"), POOL)


if __name__ == "__main__":
    run(app)
