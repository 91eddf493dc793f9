"""Runs and vectors -> scores of the test split with intervals, and the outcome of every query, family or run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.errors import run

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Vectors = npt.NDArray[np.float32]
    Parts = tuple[list[pd.DataFrame], list[pd.DataFrame]]

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: str) -> None:
    """Score every system of one landscape: retrieval, classification and clustering."""

    import sklearn.cluster  # noqa: F401 (loads the libraries whose threads are limited below)
    from threadpoolctl import threadpool_limits

    from patent_embeddings.core import costs, params, tables
    from patent_embeddings.corpus.entries import landscape_entry
    from patent_embeddings.corpus.schemas import LABELS, QRELS, QUERIES
    from patent_embeddings.encoders.entries import model_entry
    from patent_embeddings.evaluation.outcomes import (
        _SMALL,
        _joined,
        classification,
        clustering,
        family_vectors,
        retrieval,
    )
    from patent_embeddings.evaluation.schemas import OUTCOMES, SCORES

    cell = params.load()
    simulated = landscape_entry(landscape).simulated
    ragged = model_entry(cell.model).similarity == "maxsim" or cell.embed.passages.tokens is not None
    with costs.measured(layout.cost("metrics", landscape)) as cost:
        queries = tables.read(layout.task(landscape, "queries"), QUERIES)
        qrels = tables.read(layout.task(landscape, "qrels"), QRELS)
        labels = tables.read(layout.task(landscape, "labels"), LABELS)
        labelled = int(labels["family_id"].nunique())
        # Threads of a small matrix product wait for one another longer than they compute.
        with threadpool_limits(1 if max(labelled, len(queries)) < _SMALL else None):
            outcomes, scores = retrieval(landscape, qrels, queries, cell.tasks.pool)
            for task, evaluate in (("classification", classification), ("clustering", clustering)):
                if labelled:
                    families, vectors = family_vectors(landscape, task, ragged)
                    for part, more in zip((outcomes, scores), evaluate(vectors, families, labels, cell.metrics), strict=True):  # fmt: skip
                        part += [frame.assign(task=task) for frame in more]
        tables.write(_joined(outcomes, OUTCOMES.columns), layout.outcomes(landscape), OUTCOMES)
        scored = [frame.assign(landscape=landscape, simulated=simulated) for frame in scores]
        tables.write(_joined(scored, SCORES.columns), layout.scores(landscape), SCORES)
        cost.update(queries=len(queries), labelled=labelled)


if __name__ == "__main__":
    run(app)
