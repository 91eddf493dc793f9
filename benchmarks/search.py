"""Exact search against faiss `knn` and torch `topk`, on the same random unit vectors.

Seconds are those of the search alone: vectors are made, and torch is loaded, before. In bfloat16 ours must find the
same as in float32 to the byte.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks import comparison
from benchmarks.timing import ROOT, Sample, function
from patent_embeddings.core.arrays import Floats, Integers
from patent_embeddings.core.command import run
from patent_embeddings.encoders import devices
from patent_embeddings.retrieval import nearest

app = typer.Typer(add_completion=False)

NAME = "search"
PEERS = {"faiss": "faiss knn", "topk": "torch topk"}
DEPTH = 1000
TOLERANCE = 1e-6  # of a score at the same rank
PACKAGES = ("faiss-cpu", "numpy", "torch")
_BLOCK = 1024  # queries whose scores torch holds at once


@app.command()
def main(
    size: Annotated[int, typer.Option(min=DEPTH, help="Documents.")] = 113_148,
    queries: Annotated[int, typer.Option(min=1, help="Queries.")] = 4_096,
    dimension: Annotated[int, typer.Option(min=1, help="Dimensions of a vector.")] = 1_024,
    turns: Annotated[int, typer.Option(min=1, help="How often each runs.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="10,000 documents, 4,000 queries, 3 turns.")] = False,
) -> None:
    """Find the 1,000 nearest documents of every query."""
    if quick:
        size, queries, turns = 10_000, 4_000, 3
    ours = ["float32", *(["bfloat16"] if devices.processor().halves else [])]
    case = f"{size} documents {queries} queries dimension {dimension}"
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        for peer, named in PEERS.items():
            contestants = {}
            for name, kind in [*((kind, kind) for kind in ours), (named, peer)]:
                asked = {"kind": kind, "size": size, "queries": queries, "dimension": dimension}
                asked["out"] = str(Path(place) / f"{kind}.npz")
                contestants[name] = partial(function, "benchmarks.search:searched", asked, ROOT)
            what = "largest difference of a score at the same rank"
            agreement = comparison.Agreement(what, TOLERANCE, partial(difference, Path(place)))
            title = f"{case} against {peer}"
            contest = comparison.Contest(NAME, title, named, contestants, agreement, PACKAGES, "search_seconds")
            comparison.hold(contest, turns)


def searched(kind: str, size: int, queries: int, dimension: int, out: str) -> dict[str, float | str]:
    """Search once in one way, and keep what was found."""
    import torch  # before the clock starts

    rng = np.random.default_rng(0)
    documents, asked = (_unit(rng.standard_normal((rows, dimension), np.float32)) for rows in (size, queries))
    find = {"faiss": _faiss, "topk": _topk}.get(kind) or partial(_ours, kind == "bfloat16")
    torch.ones(1) @ torch.ones(1)
    start = time.perf_counter()
    scores, rows = find(asked, documents)
    seconds = time.perf_counter() - start
    np.savez(out, scores=scores, rows=rows)
    return {"search_seconds": seconds, "out": out}


def difference(folder: Path, ours: Sample, peer: Sample) -> float:
    """Largest difference of a score at the same rank; infinite where ours is not what float32 finds, to the byte."""
    (scores, rows), (theirs, _), (exact, places) = (
        _read(file) for file in (ours.values["out"], peer.values["out"], folder / "float32.npz")
    )
    if scores.tobytes() != exact.tobytes() or rows.tobytes() != places.tobytes():
        return float("inf")
    return float(np.abs(scores - theirs).max())


def _ours(halved: bool, queries: Floats, documents: Floats) -> tuple[Floats, Integers]:
    return nearest.search(queries, documents, halved=halved)(np.arange(len(queries)), DEPTH)


def _faiss(queries: Floats, documents: Floats) -> tuple[Floats, Integers]:
    import faiss

    return faiss.knn(queries, documents, DEPTH, metric=faiss.METRIC_INNER_PRODUCT)


def _topk(queries: Floats, documents: Floats) -> tuple[Floats, Integers]:
    import torch

    asked, against = torch.from_numpy(queries), torch.from_numpy(documents).T
    found = [(asked[first : first + _BLOCK] @ against).topk(DEPTH) for first in range(0, len(asked), _BLOCK)]
    scores, rows = (torch.cat(each).numpy() for each in zip(*found, strict=True))
    return scores, rows


def _unit(rows: Floats) -> Floats:
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _read(file: str | Path) -> tuple[Floats, Integers]:
    with np.load(file) as arrays:
        return arrays["scores"], arrays["rows"]


if __name__ == "__main__":
    run(app)
