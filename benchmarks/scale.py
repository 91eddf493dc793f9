"""Seconds and memory of every stage on simulated landscapes of growing size.

Each stage runs in a process of its own in a temporary folder, zero-shot. Random unit vectors replace the encoder's, and
without `--bm25` a random run replaces BM25's. The share of families that are queries is the study's.

The exponent of a stage is the slope of its log seconds between two sizes: 1 where ten times the families take ten times
as long. It means nothing for short stages, where most of the time is Python's start and imports, .3 to 2 seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks import comparison, results
from benchmarks.hardware import record
from benchmarks.timing import Sample, function
from benchmarks.workspace import LANDSCAPE, run_stage, workspace
from patent_embeddings.core import layout, params, tables
from patent_embeddings.core.command import run
from patent_embeddings.core.files import sha256
from patent_embeddings.core.vectors import QUERY_ROWS, ROWS
from patent_embeddings.corpus.schemas import POOL, QRELS, QUERIES
from patent_embeddings.retrieval import ranking
from patent_embeddings.retrieval.schemas import RUN

app = typer.Typer(add_completion=False)

NAME = "scale"
STUDY = (113_148, 46_069)  # families and queries
DIMENSION = 1024
MINUTES, GIB = 8.0, 6.0  # limits at the study's size, of all stages but embed and bm25
PACKAGES = ("numpy", "pandas", "pyarrow", "pandera", "faiss-cpu", "scikit-learn", "pyserini")

# Stages of one cell in order.
STAGES = (
    *("check", "download", "views", "tasks", "lengths", "pairs", "finetune"),
    *("bm25", "search", "fuse", "rerank", "metrics", "report"),
)


@app.command()
def main(
    sizes: Annotated[
        list[int] | None, typer.Option("--size", min=50, help="Number of families. [default: 1000, 10000, 113148]")
    ] = None,
    bm25: Annotated[bool, typer.Option("--bm25", help="Run the BM25 stage instead of drawing a random run.")] = False,
) -> None:
    """Run every stage but embed at each size."""
    for size in sizes or [1_000, 10_000, STUDY[0]]:
        samples = measure(size, bm25)
        case = f"{size} families {asking(size)} queries"
        rows: list[results.Row] = []
        for stage, sample in samples.items():
            row: results.Row = {"case": f"{case} {stage}", "families": size, "queries": asking(size), "stage": stage}
            rows.append({**row, "seconds": sample.seconds, "peak_mib": sample.peak_mib, **record(PACKAGES)})
        results.store(NAME, rows, ("families", "stage"))
        timed = [sample for stage, sample in samples.items() if stage != "bm25"]
        minutes, gib = (MINUTES, GIB) if size == STUDY[0] else (None, None)
        spent, peak = sum(one.seconds for one in timed) / 60, max(one.peak_mib for one in timed) / 1024
        found = [
            comparison.Measurement("all stages but embed and bm25", spent, "min", minutes),
            comparison.Measurement("largest of their memories", peak, "GiB", gib),
        ]
        comparison.note(NAME, case, found, PACKAGES)
    print(table(results.read(NAME)), flush=True)


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Markdown table of the seconds and MiB of each stage by size, and of the exponents between sizes.

    `rows` are those of the file of results, of all its sizes.
    """
    found = {(int(row["families"]), row["stage"]): row for row in rows}
    sizes = sorted({size for size, _ in found})
    stages = [name for name in STAGES if any(name == stage for _, stage in found)]
    heads = ["stage", *(f"{size:,}" for size in sizes), *(f"exponent from {size:,}" for size in sizes[:-1])]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name in stages:
        held = [found.get((size, name)) for size in sizes]
        cells = [
            "–" if one is None else f"{float(one['seconds']):.1f} s, {float(one['peak_mib']):,.0f} MiB" for one in held
        ]
        for (first, one), (second, other) in pairwise(zip(sizes, held, strict=True)):
            if one is None or other is None:
                cells.append("–")
                continue
            times = float(other["seconds"]) / float(one["seconds"])
            cells.append(f"{math.log(times) / math.log(second / first):.2f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def asking(families: int) -> int:
    """Number of queries of a landscape of so many families, in the study's proportion."""
    return round(families * STUDY[1] / STUDY[0])


def measure(size: int, bm25: bool) -> dict[str, Sample]:
    """Run the stages once at one size; replaced stages are not among the samples."""
    samples = {}
    with workspace(size, "tac", dimension=DIMENSION) as folder:
        for name, sample in computed(folder, STAGES, asking(size), bm25=bm25):
            samples[name] = sample
            print(f"{NAME}, {size} families: {name} {sample.seconds:.1f} s, {sample.peak_mib:,.0f} MiB", flush=True)
    return samples


def computed(folder: Path, stages: Sequence[str], queries: int, *, bm25: bool = False) -> Iterator[tuple[str, Sample]]:
    """Run stages in a workspace with so many queries and drawn vectors, and without `bm25` with a drawn run of it."""
    for name in stages:
        if name == "bm25" and not bm25:
            function("benchmarks.scale:lexical", folder)
            continue
        if name == "search":
            function("benchmarks.scale:vectors", folder)
        yield name, run_stage(name, folder)
        if name == "tasks":
            function("benchmarks.scale:cut", folder, queries=queries)


def cut(queries: int) -> None:
    """Keep so many of the landscape's queries, evenly spaced, and their judgements."""
    asked = tables.read(layout.task(LANDSCAPE, "queries"), QUERIES)
    qrels = tables.read(layout.task(LANDSCAPE, "qrels"), QRELS)
    kept = asked.iloc[np.linspace(0, len(asked) - 1, min(queries, len(asked))).astype(int)]
    tables.write(kept, layout.task(LANDSCAPE, "queries"), QUERIES)
    tables.write(qrels[qrels["query_id"].isin(kept["query_id"])], layout.task(LANDSCAPE, "qrels"), QRELS)


def vectors() -> None:
    """Write random unit vectors as the embed stage does: float32 rows, their digest and their ids."""
    generator = np.random.default_rng(0)
    families = tables.read(layout.task(LANDSCAPE, "pool"), POOL, ["family_id"])
    queries = tables.read(layout.task(LANDSCAPE, "queries"), QUERIES, ["query_id"])
    layout.embeddings(LANDSCAPE).mkdir(parents=True)
    for side, ids, table in (("documents", families, ROWS), ("queries", queries, QUERY_ROWS)):
        made = generator.standard_normal((len(ids), DIMENSION), dtype=np.float32)
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        path = layout.vectors(LANDSCAPE, side)
        np.save(path, made)
        path.with_suffix(".sha256").write_text(f"{sha256(path)}\n", encoding="ascii")
        tables.write(ids, layout.vector_ids(LANDSCAPE, side), table)


def lexical() -> None:
    """Write a random run in place of BM25's, of the depth in the parameters."""
    generator = np.random.default_rng(1)
    families = tables.read(layout.task(LANDSCAPE, "pool"), POOL, ["family_id"])["family_id"].tolist()
    queries = tables.read(layout.task(LANDSCAPE, "queries"), QUERIES, ["query_id"])["query_id"].tolist()
    depth = min(params.load().bm25.depth, len(families) - 1)
    own, order = np.searchsorted(families, queries), generator.permutation(depth).astype(np.int32) + 1
    # The families after the query's own, in random order: none twice, and never its own.
    rows = (own.astype(np.int32)[:, None] + order) % np.int32(len(families))
    scores = generator.random(rows.shape, dtype=np.float32)
    scores.sort(axis=1)
    found = ranking.parts(queries, families, scores[:, ::-1], rows)
    tables.write_parts(found, layout.run(LANDSCAPE, "bm25"), RUN)


if __name__ == "__main__":
    run(app)
