"""What computes shards of vectors: this process, or a Ray cluster. Both give the same vectors."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from safetensors.numpy import load, save

from patent_embeddings.core import distributed
from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders.specification import Options, Specification
from patent_embeddings.encoders.values import Embedder, Side

if TYPE_CHECKING:
    from patent_embeddings.encoders.base import Encoder

Vectors = np.ndarray | tuple[np.ndarray, np.ndarray]
Engine = Literal["local", "ray"]


@dataclass(frozen=True)
class Job:
    """A shard of the distinct texts of one key."""

    key: str  # of `Specification.key`
    side: Side
    first: int  # place of the shard's first text among the texts of its key
    texts: list[str]


def compute(engine: Engine, model: Specification, jobs: Sequence[Job]) -> Iterator[tuple[Job, list[np.ndarray]]]:
    """Yield each job with one array a text: [dimension], or [tokens, dimension] for late interaction.

    The model is loaded only where there is a job: here, or by Ray's workers. Raises UserError: it cannot be loaded or
    fails its test, Ray is not installed, or Ray's workers would give other vectors than this machine.
    """
    if jobs:
        yield from (_ray if engine == "ray" else _local)(model, jobs)


def split(vectors: Vectors) -> list[np.ndarray]:
    """One array a text."""
    if isinstance(vectors, tuple):
        return np.split(vectors[0], vectors[1][1:])
    return list(vectors)


def _local(model: Specification, jobs: Sequence[Job]) -> Iterator[tuple[Job, list[np.ndarray]]]:
    """Compute shards one by one; while a GPU computes one, the processor prepares the next."""
    from patent_embeddings.encoders import factory, loading  # torch, which takes seconds

    with loading.offline():
        encoder = factory.opened(model)
        if encoder.device != "cuda":  # nothing is idle
            for job in jobs:
                yield job, split(encoder.encode(job.texts, job.side))
            return
        with ThreadPoolExecutor(1) as ahead:
            waiting = (ahead.submit(encoder.prepare, job.texts, job.side) for job in jobs)
            coming = deque(islice(waiting, 1))
            for job in jobs:
                coming.extend(islice(waiting, 1))
                yield job, split(encoder.compute(coming.popleft().result(), job.side))


def _ray(model: Specification, jobs: Sequence[Job]) -> Iterator[tuple[Job, list[np.ndarray]]]:
    """Map shards over the cluster that RAY_ADDRESS names, or over this machine: one worker a GPU, else a processor.

    Ray hands the shards of a lost worker to another, so that each is computed once.
    """
    ray, resources = distributed.joined("embed.engine")
    unit = "GPU" if resources.get("GPU") else "CPU"
    workers = min(len(jobs), max(1, int(resources[unit])))
    rows = [{"job": number, "key": job.key, "side": job.side, "texts": job.texts} for number, job in enumerate(jobs)]
    options: Options = {**model.options, "adapter": model.adapter and model.adapter.resolve()}
    pool = {"compute": ray.data.ActorPoolStrategy(size=workers), f"num_{unit.lower()}s": 1}
    mapped = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        Worker, fn_constructor_args=(model.entry, options), batch_size=1, batch_format="pyarrow", **pool
    )
    for row in mapped.iter_rows():
        if row["fault"]:
            raise UserError(row["fault"])
        yield jobs[row["job"]], unpacked(row["vectors"])


class Worker:
    """A model in a process of Ray's, loaded at the first job, and tested once its key is found to be the driver's."""

    def __init__(self, entry: Embedder, options: Options) -> None:
        self.entry, self.options = entry, options
        self.encoder: Encoder | None = None
        self.known: set[str] = set()  # keys that are this model's too

    def __call__(self, batch: Any) -> dict[str, list[Any]]:
        """Vectors of the one job of a batch, as `packed`, or in one line why there are none."""
        (row,) = batch.to_pylist()
        try:
            vectors, fault = packed(split(self._encode(row["texts"], row["side"], row["key"]))), ""
        except UserError as error:  # which Ray would wrap in its own and try again
            vectors, fault = b"", str(error)
        return {"job": [row["job"]], "vectors": [vectors], "fault": [fault]}

    def _encode(self, texts: Sequence[str], side: Side, key: str) -> Vectors:
        """Vectors by a model with the driver's key. Raises UserError: it has another, or does not pass its test."""
        from patent_embeddings.encoders import factory, loading  # torch, in the worker's process alone

        with loading.offline():
            if self.encoder is None:
                self.encoder = factory.encoder(self.entry, **self.options, tested=False)
            if key not in self.known:
                theirs, ours = json.loads(key), self.encoder.fingerprint(side)
                if other := [name for name in ours if ours[name] != theirs.get(name)]:
                    what = f"embed.engine: a worker of Ray differs from this machine in {', '.join(other)}"
                    raise UserError(f"{what}; start on a machine like the workers, which are to be alike")
                factory.passed(self.encoder)  # on a GPU or with libraries that this machine lacks it may fail
                self.known.add(key)
            return self.encoder.encode(texts, side)


def packed(parts: Sequence[np.ndarray]) -> bytes:
    """Arrays as the bytes of a safetensors file, float32."""
    return save({f"{i:06d}": np.ascontiguousarray(part, dtype=np.float32) for i, part in enumerate(parts)})


def unpacked(data: bytes) -> list[np.ndarray]:
    """The inverse of `packed`."""
    arrays = load(data)
    return [arrays[name] for name in sorted(arrays)]
