"""Vectors of many texts, encoded in shards that stay in a content-addressed scratch, so that a killed run resumes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from patent_embeddings.core import layout
from patent_embeddings.core.arrays import Integers
from patent_embeddings.core.files import replacing
from patent_embeddings.core.progress import say, track
from patent_embeddings.encoders import engines
from patent_embeddings.encoders.engines import Engine, Job
from patent_embeddings.encoders.precision import require_numbers
from patent_embeddings.encoders.prompts import head
from patent_embeddings.encoders.specification import Specification
from patent_embeddings.encoders.values import Side

SIZE = 256  # texts a shard: at most so many are embedded again after a kill


@dataclass(frozen=True)
class Encoded:
    """What was written, and how many distinct texts there were and had to be computed."""

    # For each name the first row of each text's token vectors, int64 [texts]; None with one vector a text.
    first: dict[str, Integers | None]
    texts: int  # distinct texts, each counted once a prompt
    computed: int  # those that the scratch did not have


def encode(
    model: Specification,
    sides: Mapping[str, tuple[Side, list[str]]],
    folder: Path,
    label: str,
    engine: Engine = "local",
) -> Encoded:
    """Write the vectors of the texts of several sides, from the scratch where it holds them, else computed.

    Each distinct text is encoded once a prompt, and the model is loaded only where a vector is missing.

    Writes `NAME.npy` for each name: float32 [texts, dimension], or for late interaction the vectors of all tokens,
    float32 [tokens, dimension], in the order of the texts. At most two shards of vectors are in memory.

    `sides`: name -> (side of the model, texts). `engine`: where missing vectors are computed.
    """
    sides = {name: (side, [head(text, model.limit) for text in texts]) for name, (side, texts) in sides.items()}
    keys = {name: model.key(side) for name, (side, _) in sides.items()}
    distinct: dict[str, list[str]] = {}
    jobs: list[Job] = []
    for name, (side, _) in sides.items():
        if (key := keys[name]) not in distinct:
            own = {text for other, (_, texts) in sides.items() if keys[other] == key for text in texts}
            # The longest first, so that a shard's texts are of like length.
            distinct[key] = ordered = sorted(own, key=lambda text: (-len(text), text))
            jobs += [Job(key, side, at, ordered[at : at + SIZE]) for at in range(0, len(ordered), SIZE)]
    places = {key: {text: place for place, text in enumerate(texts)} for key, texts in distinct.items()}
    total, computed = sum(len(texts) for texts in distinct.values()), 0
    rows = {key: np.ones(len(texts), np.int64) for key, texts in distinct.items()}
    if model.late:  # how many rows a text has is known only when it is encoded
        for job, parts, new in track(_shards(jobs, model, engine), total, label, weight=SIZE):
            rows[job.key][job.first : job.first + len(parts)] = [len(part) for part in parts]
            computed += len(parts) if new else 0
    with ExitStack() as stack:
        outs = {}
        for name, (_, texts) in sides.items():
            which = np.array([places[keys[name]][text] for text in texts], np.int64)
            outs[name] = stack.enter_context(_Out(folder / f"{name}.npy", which, rows[keys[name]]))
        label = f"write {label}" if model.late else label
        for job, parts, new in track(_shards(jobs, model, engine), total, label, weight=SIZE):
            computed += len(parts) if new else 0
            for name in sides:
                if keys[name] == job.key:
                    outs[name].put(job.first, parts)
    return Encoded({name: out.first if model.late else None for name, out in outs.items()}, total, computed)


class _Out:
    """A `.npy` file of vectors, written text by text in any order."""

    def __init__(self, path: Path, which: Integers, rows: Integers) -> None:
        """`which` is the distinct text of each place, `rows` how many rows each distinct text has."""
        counts = rows[which]
        self.first: Integers = np.cumsum(counts) - counts
        self.total = int(counts.sum())
        self.order = np.argsort(which, kind="stable")
        self.sorted = which[self.order]
        self.file = path.open("wb")
        self.start: int | None = None

    def __enter__(self) -> _Out:
        return self

    def __exit__(self, *_: object) -> None:
        if self.start is None:
            self._begin(0)
        self.file.close()

    def put(self, first: int, parts: Sequence[np.ndarray]) -> None:
        """Write the vectors of consecutive distinct texts, the first of which is `first`, to all their places."""
        begin, end = self.sorted.searchsorted([first, first + len(parts)])
        for text, place in zip(self.sorted[begin:end], self.order[begin:end], strict=True):
            part = np.atleast_2d(parts[text - first])
            if self.start is None:
                self._begin(part.shape[1])
            self.file.seek(self.start + int(self.first[place]) * part.shape[1] * 4)
            self.file.write(part.astype("<f4", copy=False).tobytes())

    def _begin(self, width: int) -> None:
        shape = (self.total, width)
        np.lib.format.write_array_header_1_0(self.file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        self.start = self.file.tell()


def _shards(jobs: Sequence[Job], model: Specification, engine: Engine) -> Iterator[tuple[Job, list[np.ndarray], bool]]:
    """Yield each job, its vectors, and whether they were computed now: first the jobs that the scratch has."""
    missing = []
    for job in jobs:
        if (parts := _load(_path(job))) is not None:
            yield job, parts, False
        else:
            missing.append(job)
    for job, parts in engines.compute(engine, model, missing):
        require_numbers(model, job.texts, parts)
        data = engines.packed(parts)
        with replacing(_path(job)) as temporary:  # behind a digest of their bytes
            temporary.write_bytes(hashlib.sha256(data).digest() + data)
        yield job, parts, True


def _path(job: Job) -> Path:
    digest = hashlib.sha256(job.key.encode())
    folder = layout.scratch() / "embeddings" / digest.hexdigest()[:16]
    for text in job.texts:
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return folder / f"{digest.hexdigest()[:32]}.shard"


def _load(path: Path) -> list[np.ndarray] | None:
    """Vectors of a shard, one array a text; None where it is absent or damaged."""
    try:
        blob = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, data = blob[:32], blob[32:]
    if hashlib.sha256(data).digest() != digest:
        say(f"{path}: damaged shard, computed again")
        return None
    return engines.unpacked(data)
