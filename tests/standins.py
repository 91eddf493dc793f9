"""Tiny stand-ins of the study's models: repositories of random weights with the files, keys and names of the hub's.

Configurations and names of tensors are those of the pinned commits, as far as they are public; sizes are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import standin_decoders as decoders
import standin_encoders as encoders
import yaml
from standin_files import HIDDEN, LENGTH, Files

from patent_embeddings.core import registry
from patent_embeddings.encoders import weights
from patent_embeddings.encoders.entries import Model

_REGISTRY = Path(__file__).parents[1] / "registry" / "models.yaml"


def repository(name: str, folder: Path) -> Path:
    """Write the stand-in of a model of the registry, by its id, into a folder."""
    for file, data in files(name).items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(data)
    return folder


def files(name: str) -> Files:
    """The files of a stand-in by their names, for a server that plays the hub; the same bytes each time."""
    return {**MAKERS, **OTHERS}[name](int(hashlib.sha256(name.encode()).hexdigest()[:8], 16))


def block(name: str) -> dict[str, Any]:
    """The registry's entry of a model as it is written, with the sizes of its stand-in, to be fetched from a hub."""
    written = yaml.safe_load(_REGISTRY.read_text(encoding="utf-8"))[name]
    own = {key: value for key, value in written.items() if key not in ("weights", "package", "path")}
    length = min(LENGTH, own["length"])
    sizes = {"parameters": 0.05, "dimension": dimension(name), "max_length": LENGTH, "length": length}
    pickled = {file: data for file, data in files(name).items() if file.endswith(".bin")}
    pinned = {"weights": {file: hashlib.sha256(data).hexdigest() for file, data in pickled.items()}}
    return {**own, "source": "hub", **sizes, **(pinned if pickled else {})}


def entry(name: str, folder: Path, **changes: Any) -> Model:
    """The registry's entry of a model, of its stand-in in a folder."""
    local = {"source": "folder", "path": str(folder), "digest": weights.digest(folder)}
    return registry.validated("models", name, {**block(name), **local, **changes}, Model)


def dimension(name: str) -> int:
    """Numbers of a stand-in's vector."""
    return {"patembed-base": 24, "stella-1-5b": 40, "conan-v1": 56}.get(name, 12 if "colbert" in name else HIDDEN)


# Of the preset `paper`.
MAKERS: dict[str, Callable[[int], Files]] = {
    "nemotron-8b": decoders.nemotron,
    "qwen3-8b": lambda seed: decoders.qwen3(seed, 4),
    "qwen3-4b": decoders.qwen3,
    "octen-8b": lambda seed: decoders.qwen3(seed, 4),
    "nemotron-1b": lambda seed: decoders.nemotron(seed, 0),
    "kalm-gemma3-12b": decoders.kalm,
    "patembed-base": lambda seed: encoders.headed(seed, 24),
    "qwen3-0-6b": lambda seed: decoders.qwen3(seed, 0),
    "gte-multilingual": encoders.gte,
    "nomic-v2-moe": encoders.nomic,
    "me5-large": encoders.me5,
    "jina-v3": encoders.jina_v3,
    "minilm": encoders.minilm,
    "bge-m3": encoders.bge,
    "patentsberta": encoders.patentsberta,
    "stella-1-5b": decoders.stella,
    "conan-v1": lambda seed: encoders.headed(seed, 56),
    "embeddinggemma": decoders.embeddinggemma,
    "answerai-colbert-small": encoders.colbert,
    "colbert-v2": encoders.colbert,
    "jina-colbert-v2": encoders.jina_colbert,
}
# Of the registry beside it, whose architectures it does not have.
OTHERS: dict[str, Callable[[int], Files]] = {"arctic-m-v2": encoders.arctic, "nomic-v1-5": encoders.nomic_gated}
