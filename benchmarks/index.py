"""What an index that is searched in part costs in recall: indexes of faiss against the exact search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks import comparison
from benchmarks.encode import MODEL
from benchmarks.timing import function
from benchmarks.workspace import LANDSCAPE, run_stage, workspace
from patent_embeddings.core.errors import run

if TYPE_CHECKING:
    import numpy as np

app = typer.Typer(add_completion=False)

NAME = "index"
PACKAGES = ("faiss-cpu", "torch", "sentence-transformers")
# faiss's own names; with each what decides how much of it is searched, from least to most.
INDEXES = {
    "IVF{lists},Flat": ("nprobe", (1, 8, 32)),
    "IVF{lists},PQ64": ("nprobe", (8, 32)),
    "HNSW32,Flat": ("efSearch", (16, 64, 256)),
}
CUTS = (10, 100)


@app.command()
def main(
    size: Annotated[int, typer.Option(min=1000, help="Families of the simulated landscape.")] = 10_000,
    view: Annotated[str, typer.Option(help="Of queries and documents.")] = "ta",
) -> None:
    """Embed a simulated landscape with minilm; of every query's best families, which share does an index find?"""
    with workspace(size, model=MODEL, query_view=view, document_view=view) as folder:
        for name in ("check", "download", "views", "tasks", "pairs", "finetune", "embed"):
            run_stage(name, folder)
        found = function("benchmarks.index:measured", {"landscape": LANDSCAPE}, folder).values
    for name, values in found.items():
        rows = [comparison.Measurement(quantity, value, "ms" if "query" in quantity else "1") for quantity, value in values.items()]  # fmt: skip
        comparison.note(NAME, f"{view} {size} {name}", rows, PACKAGES)


def measured(landscape: str) -> dict[str, dict[str, float]]:
    """Recall of each index at each cut, and milliseconds a query, all cores; of the exact index the time alone."""
    import time

    import faiss
    import numpy as np
    import pandas as pd

    from patent_embeddings.core import layout

    sides = ("documents", "queries")
    documents, queries = (np.load(layout.vectors(landscape, side)) for side in sides)
    for vectors in (documents, queries):
        faiss.normalize_L2(vectors)
    families, asking = (pd.read_parquet(layout.vector_ids(landscape, side)).iloc[:, 0] for side in sides)
    own = pd.Index(families).get_indexer(asking)
    depth = max(CUTS)

    def search(index: faiss.Index) -> tuple[np.ndarray, float]:
        start = time.perf_counter()
        _, rows = index.search(queries, depth + 1)
        milliseconds = 1000 * (time.perf_counter() - start) / len(queries)
        # A query's own family is no result.
        return np.stack([row[row != mine][:depth] for row, mine in zip(rows, own, strict=True)]), milliseconds

    exact = faiss.IndexFlatIP(documents.shape[1])
    exact.add(documents)
    best, milliseconds = search(exact)
    out = {"Flat": {"a query": milliseconds}}
    lists = 2 * int(len(documents) ** 0.5)
    for pattern, (setting, values) in INDEXES.items():
        name = pattern.format(lists=lists)
        index = faiss.index_factory(documents.shape[1], name, faiss.METRIC_INNER_PRODUCT)
        index.train(documents)
        index.add(documents)
        for value in values:
            faiss.ParameterSpace().set_index_parameter(index, setting, value)
            rows, milliseconds = search(index)
            shares = {f"recall at {cut}": recall(rows, best, cut) for cut in CUTS}
            out[f"{name} {setting} {value}"] = {**shares, "a query": milliseconds}
    return out


def recall(found: np.ndarray, best: np.ndarray, cut: int) -> float:
    """Mean share of the first `cut` of the exact rows that are among the first `cut` found; both int64 [queries, depth]."""
    import numpy as np

    pairs = zip(found[:, :cut], best[:, :cut], strict=True)
    return float(np.mean([len(np.intersect1d(ours, theirs)) / cut for ours, theirs in pairs]))


if __name__ == "__main__":
    run(app)
