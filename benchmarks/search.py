"""Exact search against faiss `knn` and torch `topk`, on the same random unit vectors.

Only the search is timed, without making the vectors and loading torch. Ours in bfloat16 must equal ours in float32 byte
for byte.
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
from benchmarks.timing import Sample, function
from patent_embeddings.core.arrays import Floats, Integers
from patent_embeddings.core.command import run
from patent_embeddings.encoders import devices
from patent_embeddings.retrieval import nearest

app = typer.Typer(add_completion=False)

NAME = "search"
PEERS = {"faiss": "faiss knn", "topk": "torch topk"}
DEPTH = 1000
TOLERANCE = 1e-6  # of a score, by rank and by document
PACKAGES = ("faiss-cpu", "numpy", "torch")
_BLOCK = 1024  # queries whose scores torch holds at once


@app.command()
def main(
    size: Annotated[int, typer.Option(min=DEPTH, help="Number of documents.")] = 113_148,
    queries: Annotated[int, typer.Option(min=1, help="Number of queries.")] = 4_096,
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
            searched_ = partial(function, "benchmarks.search:searched", size=size, queries=queries, dimension=dimension)
            contestants = {
                name: partial(searched_, kind=kind, out=str(Path(place) / f"{kind}.npz"))
                for name, kind in [*zip(ours, ours, strict=True), (named, peer)]
            }
            contest = comparison.Contest(
                NAME, f"{case} against {peer}", named, contestants, "largest difference of a score", TOLERANCE,
                partial(difference, Path(place)), PACKAGES, "search_seconds",
            )  # fmt: skip
            comparison.hold(contest, turns)


def searched(kind: str, size: int, queries: int, dimension: int, out: str) -> dict[str, float | str]:
    """Search once in one way; writes scores and rows, returns seconds."""
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
    """Largest difference of a score, by rank and by document; infinite where ours is not what float32 finds.

    A document that only one of both found differs by its distance from the other's last score: such ties may be cut
    either way.
    """
    found, theirs, exact = (_read(file) for file in (ours.values["out"], peer.values["out"], folder / "float32.npz"))
    if found[0].tobytes() != exact[0].tobytes() or found[1].tobytes() != exact[1].tobytes():
        return float("inf")
    by_rank = float(np.abs(found[0] - theirs[0]).max())
    return max(by_rank, _by_document(found, theirs), _by_document(theirs, found))


def _by_document(found: tuple[Floats, Integers], other: tuple[Floats, Integers]) -> float:
    """Largest difference of a score [queries, depth] from that of the same document in another result."""
    width = max(int(found[1].max()), int(other[1].max())) + 1
    keys, others = ((rows + np.arange(len(rows))[:, None] * width).ravel() for _, rows in (found, other))
    order = np.argsort(others)
    place = order[np.searchsorted(others, keys, sorter=order).clip(max=len(order) - 1)]
    same, last = others[place] == keys, np.repeat(other[0][:, -1], found[1].shape[1])
    return float(np.abs(found[0].ravel() - np.where(same, other[0].ravel()[place], last)).max())


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
