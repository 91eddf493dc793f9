"""Families and citations -> queries, relevance judgements (IN, OUT), label sets, splits and the ranked pool."""

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
    """Write the task tables of one landscape."""

    from patent_embeddings.core import costs, params, tables
    from patent_embeddings.core.progress import say
    from patent_embeddings.corpus import pool as pool_
    from patent_embeddings.corpus.entries import landscape_entry
    from patent_embeddings.corpus.judgements import judgements, pool, queries
    from patent_embeddings.corpus.labels import label_sets
    from patent_embeddings.corpus.schemas import CITATIONS, FAMILIES, LABELS, POOL, QRELS, QUERIES, RELATIONS
    from patent_embeddings.corpus.splits import split_of

    settings = params.load().tasks
    with costs.measured(layout.cost("tasks", landscape)):
        families = tables.read(layout.families(landscape), FAMILIES, ["family_id", "ipc", "cpc", "date", "labels"])
        citations = tables.read(layout.citations(landscape), CITATIONS)
        relations = tables.read(layout.relations(landscape), RELATIONS)
        judged = relations if len(relations) else judgements(citations, families, landscape_entry(landscape).relevance)
        splits = split_of(families["family_id"], settings.seed, settings.fold)
        asked = queries(judged, splits)
        tables.write(asked, layout.task(landscape, "queries"), QUERIES)
        tables.write(judged, layout.task(landscape, "qrels"), QRELS)
        tables.write(label_sets(families, splits), layout.task(landscape, "labels"), LABELS)
        ranked = pool(families, relations, splits)
        tables.write(ranked, layout.task(landscape, "pool"), POOL)
        reach = pool_.reachable(judged, ranked, earlier=settings.pool == "earlier")
        if lost := pool_.out_of_reach(judged, reach, asked):
            say(f"{landscape}: {lost}")


if __name__ == "__main__":
    run(app)
