"""BM25 and dense runs -> reciprocal rank fusion and interpolation, tuned on dev queries or cross-fitted."""

from __future__ import annotations

from contextlib import ExitStack

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.command import Landscape, run

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: Landscape) -> None:
    """Fuse the BM25 and the dense run of one landscape: rrf and interpolation."""
    from patent_embeddings.core import costs, params, tables
    from patent_embeddings.corpus.pool import reachable
    from patent_embeddings.corpus.schemas import POOL, QRELS, QUERIES
    from patent_embeddings.corpus.splits import fold_of
    from patent_embeddings.evaluation.schemas import ORACLES
    from patent_embeddings.retrieval import fusion, fusion_settings
    from patent_embeddings.retrieval.schemas import FUSION, RUN
    from patent_embeddings.retrieval.values import FuseValues

    with costs.measured(layout.cost("fuse", landscape)) as cost:
        values = params.read("fuse", FuseValues, landscape)
        queries = tables.read(layout.task(landscape, "queries"), QUERIES)
        qrels = tables.read(layout.task(landscape, "qrels"), QRELS)
        pool = tables.read(layout.task(landscape, "pool"), POOL)
        asked, families, depth = queries["query_id"].tolist(), pool["family_id"].tolist(), values.fuse.depth
        runs = (tables.parts(layout.run(landscape, leg), RUN) for leg in ("bm25", "dense"))
        legs = fusion.legs(runs, asked, families, depth)
        reach = reachable(qrels, pool, earlier=values.pool == "earlier")
        folds = None if values.cross_fitted is None else fold_of(asked, values.cross_fitted)
        label, least = f"fuse {landscape}: tune", values.threshold
        tuned = fusion_settings.tune(
            legs, qrels, queries, values.fuse, label=label, reachable=reach, threshold=least, folds=folds
        )
        best = fusion_settings.oracles(legs, tuned, qrels, depth, f"fuse {landscape}: best on test")
        with ExitStack() as stack:
            add = {name: stack.enter_context(tables.writing(layout.run(landscape, name), RUN)) for name in tuned.chosen}
            for part in fusion.fused(legs, tuned.chosen, depth):
                for method, rows in part.items():
                    add[method](rows)
        tables.write(best, layout.oracles(landscape), ORACLES)
        tables.write(tuned.table, layout.fusion(landscape), FUSION)
        cost.update(texts=len(asked), tuned=tuned.on_dev, chosen=tuned.said)


if __name__ == "__main__":
    run(app)
