"""Encoding in shards that survive a kill: a content-addressed scratch of vectors."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stages import layout
from stages.encoders import engines
from stages.encoders.base import head
from stages.encoders.engines import Job
from stages.files import replacing
from stages.progress import say, track

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from stages.encoders import Encoder, Side
    from stages.encoders.engines import Engine, Vectors

SIZE = 256  # texts a shard: at most so many are embedded again after a kill


@dataclass(frozen=True)
class Encoded:
    """Vectors of every side, and how many distinct texts there were and had to be computed."""

    sides: dict[str, Vectors]
    texts: int
    computed: int


def encode(
    encoder: Encoder, sides: Mapping[str, tuple[Side, list[str]]], label: str, engine: Engine = "local"
) -> Encoded:
    """Encode the texts of several sides, each distinct text once a prompt.

    Args:
        encoder: what encodes.
        sides: name -> (side of the encoder, texts).
        label: what the progress bar says.
        engine: where the vectors that the scratch lacks are computed.

    Returns:
        For each name float32 [texts, dimension], or for late interaction token vectors
        float32 [tokens, dimension] with int64 [texts] first rows, in the order of the texts.
    """
    sides = {name: (side, [head(text, encoder.limit) for text in texts]) for name, (side, texts) in sides.items()}
    keys = {name: engines.key(encoder, side) for name, (side, _) in sides.items()}
    distinct = {key: sorted({text for name in sides if keys[name] == key for text in sides[name][1]}, key=lambda t: (-len(t), t))
                for key in dict.fromkeys(keys.values())}  # fmt: skip
    side_of = {keys[name]: side for name, (side, _) in reversed(list(sides.items()))}
    jobs = [Job(key, side_of[key], texts[i : i + SIZE]) for key, texts in distinct.items() for i in range(0, len(texts), SIZE)]  # fmt: skip
    total = sum(len(texts) for texts in distinct.values())
    found: dict[str, dict[str, np.ndarray]] = {key: {} for key in distinct}
    computed = 0
    for job, parts, new in track(_shards(jobs, encoder, engine), total, label, weight=SIZE):
        computed += len(job.texts) if new else 0
        found[job.key].update(zip(job.texts, parts, strict=True))
    out = {name: _join([found[keys[name]][text] for text in texts]) for name, (_, texts) in sides.items()}
    return Encoded(out, total, computed)


def _shards(jobs: Sequence[Job], encoder: Encoder, engine: Engine) -> Iterator[tuple[Job, list[np.ndarray], bool]]:
    """Each job with its vectors and whether they are new: first what the scratch holds, then what is computed."""
    missing = []
    for job in jobs:
        parts = _load(_path(job))
        if parts is None:
            missing.append(job)
        else:
            yield job, parts, False
    for job, parts in engines.compute(engine, encoder, missing):
        _save(_path(job), parts)
        yield job, parts, True


def _join(parts: Sequence[np.ndarray]) -> Vectors:
    """The inverse of `engines.split`; no text gives an array of no row."""
    if not parts:
        return np.zeros((0, 0), dtype=np.float32)
    if parts[0].ndim == 1:
        return np.stack(parts)
    counts = np.array([len(part) for part in parts], dtype=np.int64)
    return np.concatenate(parts), np.cumsum(counts) - counts


def _path(job: Job) -> Path:
    digest = hashlib.sha256(job.key.encode())
    for text in job.texts:
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    folder = layout.scratch() / "embeddings" / hashlib.sha256(job.key.encode()).hexdigest()[:16]
    return folder / f"{digest.hexdigest()[:32]}.shard"


def _save(path: Path, parts: list[np.ndarray]) -> None:
    """Write the arrays behind a digest of their bytes."""
    data = engines.packed(parts)
    with replacing(path) as temporary:
        temporary.write_bytes(hashlib.sha256(data).digest() + data)


def _load(path: Path) -> list[np.ndarray] | None:
    """Arrays of a shard, None where there is none or it is damaged (said, and computed again)."""
    try:
        blob = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, data = blob[:32], blob[32:]
    if hashlib.sha256(data).digest() != digest:
        say(f"{path}: damaged shard, computed again")
        return None
    return engines.unpacked(data)
