"""Exact search over a Ray cluster: workers search shards of the documents, and the best of all shards are kept.

A score depends on its pair alone (`nearest`), so that shards change no byte of the results.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from patent_embeddings.core import distributed
from patent_embeddings.core.arrays import Floats, Integers, Search
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import track
from patent_embeddings.retrieval import nearest, ranking

OPTION = "search.engine"
_SHARD = 1 << 17  # documents of a shard, at most
_BLOCK = 4096  # queries that a shard is searched for at once
_PROBE = 256  # pairs whose scores by a worker must equal this machine's


def search(queries: Floats, documents: Floats, *, label: str, shard: int = _SHARD) -> Search:
    """`nearest.search` by the workers of a cluster, one per processor, with the same bytes as on this machine.

    The first call searches for all queries, so that workers start once; a deeper call only for its own. Raises
    UserError: Ray is not installed, or a worker's scores differ from this machine's.
    """
    found: dict[int, tuple[Floats, Integers]] = {}  # of all queries, by k

    def over(part: Integers, k: int) -> tuple[Floats, Integers]:
        scores, rows = np.full((len(part), k), -np.inf, np.float32), np.full((len(part), k), -1, np.int64)
        for here, theirs in _jobs(queries[part], documents, k, shard, label):
            score = np.concatenate([scores[here], theirs[0]], axis=1)
            scores[here], rows[here] = ranking.best(score, np.concatenate([rows[here], theirs[1]], axis=1), k)
        return scores, rows

    def nearest_(part: Integers, k: int) -> tuple[Floats, Integers]:
        k = min(k, len(documents))
        if not found:
            found[k] = over(np.arange(len(queries)), k)
        if k not in found:
            return over(part, k)
        scores, rows = found[k]
        return scores[part], rows[part]

    return nearest_


def _jobs(
    queries: Floats, documents: Floats, k: int, shard: int, label: str
) -> Iterator[tuple[slice, tuple[Floats, Integers]]]:
    """Yield a block of queries and a shard's best for it, once for each block and shard.

    Ray gives the jobs of a lost worker to another one; the shards are stored by this machine.
    """
    ray, resources = distributed.joined(OPTION)
    workers = max(1, int(resources["CPU"]))
    size = max(1, min(shard, -(-len(documents) // workers)))
    firsts = range(0, len(documents), size)
    parts = [slice(first, first + _BLOCK) for first in range(0, len(queries), _BLOCK)]
    asked = [ray.put(np.ascontiguousarray(queries[part])) for part in parts]
    shards = [ray.put(np.ascontiguousarray(documents[first : first + size])) for first in firsts]
    jobs = [
        {"part": part, "shard": place, "asked": one, "documents": other}
        for part, one in enumerate(asked)
        for place, other in enumerate(shards)
    ]
    pool = ray.data.ActorPoolStrategy(size=min(workers, len(jobs)))
    given = (k, queries.shape[1], _probe(queries.shape[1]))
    mapped = ray.data.from_items(jobs, override_num_blocks=len(jobs)).map_batches(
        Worker, fn_constructor_args=given, batch_size=1, batch_format="pandas", compute=pool, num_cpus=1
    )
    for row in track(mapped.iter_rows(), total=len(jobs), label=label, unit="shards"):
        if not row["alike"]:
            fault = f"{OPTION}: a worker of Ray scores otherwise than this machine"
            raise UserError(f"{fault}; start on a machine like the workers, with the same libraries")
        scores, rows = np.frombuffer(row["scores"], np.float32), np.frombuffer(row["rows"], np.int64)
        part = parts[row["part"]]
        shape = (len(queries[part]), -1)
        yield part, (scores.reshape(shape), rows.reshape(shape) + firsts[row["shard"]])


class Worker:
    """A Ray actor that searches shards."""

    def __init__(self, k: int, dimension: int, probe: bytes) -> None:
        self.k, self.alike = k, _probe(dimension) == probe

    def __call__(self, batch: Any) -> dict[str, list[Any]]:
        """Search the shard of a batch's only job; scores and rows are bytes."""
        import ray

        part, shard, asked, held = (batch[name].iloc[0] for name in ("part", "shard", "asked", "documents"))
        queries, documents = ray.get([asked, held])
        scores, rows = nearest.search(queries, documents)(np.arange(len(queries)), self.k)
        columns = {"part": int(part), "shard": int(shard), "alike": self.alike, "scores": scores.tobytes()}
        return {name: [value] for name, value in (columns | {"rows": rows.tobytes()}).items()}


def _probe(dimension: int) -> bytes:
    """Scores of random pairs as bytes, which differ between machines that sum in different orders."""
    vectors = np.random.default_rng(0).standard_normal((_PROBE, dimension), np.float32)
    pairs = np.arange(_PROBE)
    return nearest.score(vectors, vectors[::-1].copy(), pairs, pairs).tobytes()
