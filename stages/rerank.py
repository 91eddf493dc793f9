"""A run and the texts -> its best families ranked again by a cross-encoder; off unless `rerank.model` names one."""

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
    """Rerank the best families of one system's run; without a model write a run without rows."""

    import pandas as pd

    from patent_embeddings.core import costs, params, tables
    from patent_embeddings.corpus.schemas import VIEW
    from patent_embeddings.encoders import loading
    from patent_embeddings.encoders.entries import reranker_entry
    from patent_embeddings.retrieval.reranking import rerank
    from patent_embeddings.retrieval.schemas import RUN

    cell = params.load()
    with loading.offline(), costs.measured(layout.cost("rerank", landscape)) as cost:
        if cell.rerank.model is None:
            empty = pd.DataFrame({name: [] for name in RUN.columns})
            found = empty.astype({"query_id": "str", "family_id": "str", "rank": "int64", "score": "float32"})
        else:
            from patent_embeddings.encoders.base import head
            from patent_embeddings.encoders.cross import Cross

            entry = reranker_entry(cell.rerank.model)
            first = tables.read(layout.run(landscape, cell.rerank.system), RUN)
            texts = [tables.read(layout.view(landscape, name), VIEW) for name in (cell.query_view, cell.document_view)]  # fmt: skip
            # A tokenizer keeps all that it cuts off, and of a pair in every combination: cut before it.
            queries, documents = (
                dict(zip(frame["family_id"], (head(text, entry.length) for text in frame["text"]), strict=True))
                for frame in texts
            )
            cross = Cross(entry, cell.embed.dtype)
            best = first[first["rank"] <= cell.rerank.depth]
            found = rerank(best, queries, documents, cross, label=f"rerank {landscape}")
            cost.update(texts=len(found), device=cross.device, dtype=cross.dtype, system=cell.rerank.system)
        tables.write(found, layout.run(landscape, "reranked"), RUN)


if __name__ == "__main__":
    run(app)
