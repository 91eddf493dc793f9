"""A run and the texts -> its best families ranked again by a cross-encoder; off unless `rerank.model` names one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from stages import layout
from stages.errors import run
from stages.progress import track

if TYPE_CHECKING:
    import pandas as pd

    from stages.encoders.cross import Cross

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: str) -> None:
    """Rerank the best families of one system's run; without a model write a run without rows."""
    import pandas as pd

    from stages import costs, params, registry, tables
    from stages.encoders import loading

    cell = params.load()
    with loading.offline(), costs.measured(layout.cost("rerank", landscape)) as cost:
        if cell.rerank.model is None:
            empty = pd.DataFrame({name: [] for name in tables.RUN.columns})
            found = empty.astype({"query_id": "str", "family_id": "str", "rank": "int64", "score": "float32"})
        else:
            from stages.encoders.base import head
            from stages.encoders.cross import Cross

            entry = registry.reranker(cell.rerank.model)
            first = tables.read(layout.run(landscape, cell.rerank.system), tables.RUN)
            texts = [tables.read(layout.view(landscape, name), tables.VIEW) for name in (cell.query_view, cell.document_view)]  # fmt: skip
            # A tokenizer keeps all that it cuts off, and of a pair in every combination: cut before it.
            queries, documents = (
                dict(zip(frame["family_id"], (head(text, entry.length) for text in frame["text"]), strict=True))
                for frame in texts
            )
            cross = Cross(entry, cell.embed.dtype)
            best = first[first["rank"] <= cell.rerank.depth]
            found = rerank(best, queries, documents, cross, label=f"rerank {landscape}")
            cost.update(texts=len(found), device=cross.device, dtype=cross.dtype, system=cell.rerank.system)
        tables.write(found, layout.run(landscape, "reranked"), tables.RUN)


def rerank(
    best: pd.DataFrame, queries: Mapping[str, str], documents: Mapping[str, str], cross: Cross, label: str
) -> pd.DataFrame:
    """Order each query's families by the cross-encoder's score, equal scores by family id.

    Args:
        best: rows of `tables.RUN`, cut to the depth that is to be reranked.
        queries: text of each query.
        documents: text of each family.
        cross: what scores a pair of texts.
        label: what the progress bar says.

    Returns:
        Rows of `tables.RUN` with the same families for each query.
    """
    import numpy as np

    # A run's ids are read as categories, which sort by first appearance.
    ordered = best.astype({"query_id": "str", "family_id": "str"}).sort_values(["query_id", "rank"], kind="stable")
    blocks = [block for _, block in ordered.groupby("query_id", sort=False)]
    scores = []
    for block in track(blocks, len(blocks), label, unit="queries"):
        pairs = [(queries[query], documents[family]) for query, family in zip(block["query_id"], block["family_id"], strict=True)]  # fmt: skip
        # Each distinct pair once, or the same text twice would differ in the last bit and not tie.
        distinct = sorted(set(pairs))
        known = dict(zip(distinct, cross.score(distinct), strict=True))
        scores += [known[pair] for pair in pairs]
    order = ["query_id", "score", "family_id"]
    found = ordered.assign(score=np.array(scores, np.float32))
    found = found.sort_values(order, ascending=[True, False, True], ignore_index=True)
    return found.assign(rank=found.groupby("query_id").cumcount() + 1)


if __name__ == "__main__":
    run(app)
