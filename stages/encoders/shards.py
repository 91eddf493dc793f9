"""Encoding in shards that survive a kill: a content-addressed scratch of vectors."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stages import layout
from stages.encoders.base import head
from stages.files import replacing
from stages.progress import say, track

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from stages.encoders import Encoder, Side

SIZE = 256  # texts a shard: at most so many are embedded again after a kill

Vectors = np.ndarray | tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Encoded:
    """Vectors of every side, and how many distinct texts there were and had to be computed."""

    sides: dict[str, Vectors]
    texts: int
    computed: int


def encode(encoder: Encoder, sides: Mapping[str, tuple[Side, list[str]]], label: str) -> Encoded:
    """Encode the texts of several sides, each distinct text once a prompt.

    Args:
        encoder: what encodes.
        sides: name -> (side of the encoder, texts).
        label: what the progress bar says.

    Returns:
        For each name float32 [texts, dimension], or for late interaction token vectors
        float32 [tokens, dimension] with int64 [texts] first rows, in the order of the texts.
    """
    sides = {name: (side, [head(text, encoder.limit) for text in texts]) for name, (side, texts) in sides.items()}
    prints = {
        name: json.dumps(encoder.fingerprint(side), sort_keys=True, default=str) for name, (side, _) in sides.items()
    }
    distinct = {key: sorted({text for name in sides if prints[name] == key for text in sides[name][1]}, key=lambda t: (-len(t), t))
                for key in dict.fromkeys(prints.values())}  # fmt: skip
    side_of = {prints[name]: side for name, (side, _) in reversed(list(sides.items()))}
    jobs = [(key, texts[i : i + SIZE]) for key, texts in distinct.items() for i in range(0, len(texts), SIZE)]
    total = sum(len(texts) for texts in distinct.values())
    found: dict[str, dict[str, np.ndarray]] = {key: {} for key in distinct}
    computed = 0
    for key, texts in track(jobs, total, label, weight=SIZE):
        path = _shard(key, texts)
        parts = _load(path)
        if parts is None:
            parts = _split(encoder.encode(texts, side_of[key]))
            _save(path, parts)
            computed += len(texts)
        found[key].update(zip(texts, parts, strict=True))
    out = {name: _join([found[prints[name]][text] for text in texts]) for name, (_, texts) in sides.items()}
    return Encoded(out, total, computed)


def _split(vectors: Vectors) -> list[np.ndarray]:
    """One array a text: [dimension], or [tokens, dimension] for late interaction."""
    if isinstance(vectors, tuple):
        return np.split(vectors[0], vectors[1][1:])
    return list(vectors)


def _join(parts: Sequence[np.ndarray]) -> Vectors:
    """The inverse of `_split`; no text gives an array of no row."""
    if not parts:
        return np.zeros((0, 0), dtype=np.float32)
    if parts[0].ndim == 1:
        return np.stack(parts)
    counts = np.array([len(part) for part in parts], dtype=np.int64)
    return np.concatenate(parts), np.cumsum(counts) - counts


def _shard(key: str, texts: list[str]) -> Path:
    digest = hashlib.sha256(key.encode())
    for text in texts:
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return (
        layout.scratch()
        / "embeddings"
        / hashlib.sha256(key.encode()).hexdigest()[:16]
        / f"{digest.hexdigest()[:32]}.shard"
    )


def _save(path: Path, parts: list[np.ndarray]) -> None:
    """Write the arrays behind a digest of their bytes."""
    from safetensors.numpy import save

    data = save({f"{i:06d}": np.ascontiguousarray(part, dtype=np.float32) for i, part in enumerate(parts)})
    with replacing(path) as temporary:
        temporary.write_bytes(hashlib.sha256(data).digest() + data)


def _load(path: Path) -> list[np.ndarray] | None:
    """Arrays of a shard, None where there is none or it is damaged (said, and computed again)."""
    from safetensors.numpy import load

    try:
        blob = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, data = blob[:32], blob[32:]
    if hashlib.sha256(data).digest() != digest:
        say(f"{path}: damaged shard, computed again")
        return None
    arrays = load(data)
    return [arrays[name] for name in sorted(arrays)]
