"""Embeddings -> dense run, by exact search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError, run

if TYPE_CHECKING:
    pass

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: str) -> None:
    """Rank the documents of one landscape for each of its queries by their vectors."""

    from patent_embeddings.core import costs, params, tables
    from patent_embeddings.core.vectors import load
    from patent_embeddings.corpus import pool as pool_
    from patent_embeddings.corpus.schemas import POOL, QUERIES
    from patent_embeddings.encoders.entries import model_entry
    from patent_embeddings.encoders.schemas import QUERY_ROWS, ROWS, TOKEN_QUERY_ROWS, TOKEN_ROWS
    from patent_embeddings.retrieval import ranking
    from patent_embeddings.retrieval.exact import _BLOCK, by_passage, centre, centred, inner_product, prepared
    from patent_embeddings.retrieval.maxsim import late_interaction
    from patent_embeddings.retrieval.schemas import RUN

    cell = params.load()
    entry = model_entry(cell.model)
    late = entry.similarity == "maxsim"
    with costs.measured(layout.cost("search", landscape)) as cost:
        asked = tables.read(layout.task(landscape, "queries"), QUERIES)["query_id"].tolist()
        pool = tables.read(layout.task(landscape, "pool"), POOL)
        cut = cell.embed.passages.tokens is not None
        kinds = {"documents": TOKEN_ROWS if late or cut else ROWS,
                 "queries": TOKEN_QUERY_ROWS if late else QUERY_ROWS}  # fmt: skip
        rows = {side: tables.read(layout.vector_ids(landscape, side), kind) for side, kind in kinds.items()}
        if rows["queries"]["query_id"].tolist() != asked:
            raise UserError(f"{layout.vector_ids(landscape, 'queries')}: not the queries of {layout.task(landscape, 'queries')}; run `dvc repro`")  # fmt: skip
        stored = {side: load(layout.vectors(landscape, side), None if "offset" in rows[side] else len(rows[side])) for side in kinds}  # fmt: skip
        offsets = {side: rows[side]["offset"].to_numpy() for side in kinds if "offset" in rows[side]}
        ranked = rows["documents"]["family_id"].isin(pool.loc[pool["ranked"], "family_id"]).to_numpy()
        if cut:
            path = layout.vectors(landscape, "queries")
            queries = prepared(stored["queries"], cell.search.dimensions, entry.similarity, path)
            search, margin = by_passage(queries, stored["documents"], offsets["documents"], ranked, cell.search, entry.similarity)  # fmt: skip
        else:
            vectors = {side: prepared(stored[side], cell.search.dimensions, entry.similarity, layout.vectors(landscape, side)) for side in kinds}  # fmt: skip
            if cell.search.centre == "landscape":
                mean = centre([(vectors["documents"], ranked)], vectors["documents"].shape[1], entry.similarity)  # fmt: skip
                vectors = {side: centred(vectors[side], mean, entry.similarity) for side in kinds}
            if late:
                search, margin = late_interaction(vectors, offsets), 0.0
            else:
                search, margin = inner_product(vectors["queries"], vectors["documents"])
        documents = rows["documents"]["family_id"].tolist()
        open_ = pool_.candidates(documents, asked, pool, earlier=cell.tasks.pool == "earlier")
        scores, found = ranking.retrieve(
            search, open_, cell.search.depth, label=f"search {landscape}", block=_BLOCK, margin=margin
        )
        tables.write(ranking.frame(asked, documents, scores, found), layout.run(landscape, "dense"), RUN)
        cost.update(texts=len(asked), documents=int(pool["ranked"].sum()))


if __name__ == "__main__":
    run(app)
