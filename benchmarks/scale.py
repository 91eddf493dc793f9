"""Seconds and memory of every stage on simulated landscapes of growing size, and how they grow.

Each stage is a process of its own in a scratch folder, zero-shot. Random unit vectors stand in for the
encoder, and without `--bm25` a random run for BM25. The share of families that ask is the study's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks import comparison, results
from benchmarks.hardware import record
from benchmarks.timing import Sample, function
from benchmarks.workspace import LANDSCAPE, register, run_stage, workspace
from patent_embeddings.core.errors import run
from patent_embeddings.corpus.schemas import POOL, QRELS, QUERIES
from patent_embeddings.encoders.schemas import QUERY_ROWS, ROWS
from patent_embeddings.retrieval.schemas import RUN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

app = typer.Typer(add_completion=False)

NAME = "scale"
STUDY = (113_148, 46_069)  # families and queries
DIMENSION = 1024
MINUTES, GIB = 30.0, 12.0  # limits at the study's size, of all stages but embed and bm25
PACKAGES = ("numpy", "pandas", "pyarrow", "pandera", "faiss-cpu", "scikit-learn", "pyserini")

# Stages of one cell in order.
STAGES = (
    "check", "download", "views", "tasks", "lengths", "pairs", "finetune", "bm25", "search", "fuse", "rerank", "metrics",
    "report",
)  # fmt: skip


@app.command()
def main(
    sizes: Annotated[list[int] | None, typer.Option("--size", min=50, help="Families; may be given several times. [default: 1000, 10000, 113148]")] = None,
    bm25: Annotated[bool, typer.Option("--bm25", help="Run the BM25 stage, in place of a random run.")] = False,
) -> None:  # fmt: skip
    """Run every stage but embed at each size, then fit seconds and memory to a power of the size."""
    for size in sizes or [1_000, 10_000, STUDY[0]]:
        samples = measure(size, bm25)
        hardware = record(PACKAGES)
        rows = [
            {"case": f"{size} families {asking(size)} queries {stage}", "families": size, "queries": asking(size), "stage": stage,
             "seconds": sample.seconds, "peak_mib": sample.peak_mib, **hardware}
            for stage, sample in samples.items()
        ]  # fmt: skip
        results.store(NAME, rows, ("families", "stage"))
        timed = [sample for stage, sample in samples.items() if stage != "bm25"]
        top = size == STUDY[0]
        found = [comparison.Measurement("all stages but embed and bm25", sum(one.seconds for one in timed) / 60, "min", MINUTES if top else None),
                 comparison.Measurement("largest of their memories", max(one.peak_mib for one in timed) / 1024, "GiB", GIB if top else None)]  # fmt: skip
        comparison.note(NAME, f"{size} families {asking(size)} queries", found, PACKAGES)
    for stage, exponent in exponents(results.read(NAME)).items():
        print(f"{NAME}: {stage} grows with families to the {exponent['seconds']:.2f} in seconds, {exponent['peak_mib']:.2f} in memory")  # fmt: skip


def asking(families: int) -> int:
    """Queries of a landscape of so many families, in the study's proportion."""
    return round(families * STUDY[1] / STUDY[0])


def measure(size: int, bm25: bool) -> dict[str, Sample]:
    """Run the stages once at one size; what stands in for a stage is not among the samples."""
    import yaml

    samples = {}
    with workspace(size, model="bench", document_view="tac", query_view="tac") as folder:
        models = yaml.safe_load((folder / "registry/models.yaml").read_text(encoding="utf-8"))
        register(folder, "models", "bench", {**models["minilm"], "dimension": DIMENSION})
        for name in STAGES:
            if name == "bm25" and not bm25:
                function("benchmarks.scale:lexical", {}, folder)
                continue
            if name == "search":
                function("benchmarks.scale:vectors", {"dimension": DIMENSION}, folder)
            samples[name] = run_stage(name, folder)
            print(f"{NAME}, {size} families: {name} {samples[name].seconds:.1f} s, {samples[name].peak_mib:,.0f} MiB", flush=True)  # fmt: skip
            if name == "tasks":
                function("benchmarks.scale:cut", {"queries": asking(size)}, folder)
    return samples


def cut(queries: int) -> None:
    """Keep so many of the landscape's queries, evenly spread, and their judgements."""
    import numpy as np

    from patent_embeddings.core import layout, tables

    asked = tables.read(layout.task(LANDSCAPE, "queries"), QUERIES)
    qrels = tables.read(layout.task(LANDSCAPE, "qrels"), QRELS)
    kept = asked.iloc[np.linspace(0, len(asked) - 1, min(queries, len(asked))).astype(int)]
    tables.write(kept, layout.task(LANDSCAPE, "queries"), QUERIES)
    tables.write(qrels[qrels["query_id"].isin(kept["query_id"])], layout.task(LANDSCAPE, "qrels"), QRELS)


def vectors(dimension: int) -> None:
    """Random unit vectors as the embed stage writes them: float32 rows, their digest and their ids."""
    import numpy as np

    from patent_embeddings.core import layout, tables
    from patent_embeddings.core.files import sha256

    generator = np.random.default_rng(0)
    families = tables.read(layout.task(LANDSCAPE, "pool"), POOL, ["family_id"])
    queries = tables.read(layout.task(LANDSCAPE, "queries"), QUERIES, ["query_id"])
    layout.embeddings(LANDSCAPE).mkdir(parents=True)
    for side, ids, table in (("documents", families, ROWS), ("queries", queries, QUERY_ROWS)):
        made = generator.standard_normal((len(ids), dimension), dtype=np.float32)
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        path = layout.vectors(LANDSCAPE, side)
        np.save(path, made)
        path.with_suffix(".sha256").write_text(f"{sha256(path)}\n", encoding="ascii")
        tables.write(ids, layout.vector_ids(LANDSCAPE, side), table)


def lexical() -> None:
    """A random run in the place of BM25's, as deep as the parameters say."""
    import numpy as np

    from patent_embeddings.core import layout, params, tables
    from patent_embeddings.retrieval import ranking

    generator = np.random.default_rng(1)
    families = tables.read(layout.task(LANDSCAPE, "pool"), POOL, ["family_id"])["family_id"].tolist()
    queries = tables.read(layout.task(LANDSCAPE, "queries"), QUERIES, ["query_id"])["query_id"].tolist()
    depth = min(params.load().bm25.depth, len(families) - 1)
    own = np.searchsorted(families, queries)
    # The families that follow the query's own, in random order: none comes twice, and its own never.
    rows = (own[:, None] + 1 + generator.permutation(depth)) % len(families)
    scores = -np.sort(-generator.random(rows.shape, dtype=np.float32), axis=1)
    tables.write(ranking.frame(queries, families, scores, rows), layout.run(LANDSCAPE, "bm25"), RUN)


def exponents(rows: Sequence[Mapping[str, str]]) -> dict[str, dict[str, float]]:
    """Exponents of growth of each stage that was measured at two sizes or more.

    Args:
        rows: of the results, with `stage`, `families`, `seconds`, `peak_mib`.

    Returns:
        Stage -> `seconds` and `peak_mib`, each fitted over all sizes, and `last`, that of the seconds
        between the two largest, where a start-up of constant length weighs least.
    """
    found = {}
    for stage in dict.fromkeys(row["stage"] for row in rows):
        points = sorted((int(row["families"]), float(row["seconds"]), float(row["peak_mib"])) for row in rows if row["stage"] == stage)  # fmt: skip
        if len({families for families, _, _ in points}) > 1:
            families, seconds, peaks = zip(*points, strict=True)
            found[stage] = {"seconds": slope(families, seconds), "peak_mib": slope(families, peaks), "last": slope(families[-2:], seconds[-2:])}  # fmt: skip
    return found


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Exponent e of the power law values = c * sizes ** e, by least squares of the logarithms."""
    from statistics import linear_regression

    return linear_regression([math.log(size) for size in sizes], [math.log(value) for value in values]).slope


if __name__ == "__main__":
    run(app)
