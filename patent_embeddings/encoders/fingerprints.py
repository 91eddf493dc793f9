"""What decides the numbers of a loaded model, as plain JSON values: whatever is kept of them is kept under these."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from patent_embeddings.core.files import sha256
from patent_embeddings.encoders import devices, weights
from patent_embeddings.encoders.values import Weights

_LIBRARIES = ("torch", "transformers", "sentence-transformers", "tokenizers", "peft")
_FOREIGN = "transformers_modules."  # where transformers puts code of repositories


def shared(entry: Weights, folder: Path, model: torch.nn.Module, names: Iterable[str]) -> dict[str, Any]:
    """What every kind of model depends on; `names` are the modules of this package that can change its numbers.

    Weights, by their commit in the hub's cache, else by their contents. Modules behind the network, as they were read
    out of those files or set since. Code that the model runs: ours; of repositories, which may be other ones than that
    of the weights, so that their commit does not say what it is; and of libraries, with those that such code is said
    to need. What multiplies: the same model gives other last digits on another kind of GPU or processor, and may fail
    on one alone.
    """
    pinned = entry.source == "hub" and folder.name == entry.revision
    needed = entry.libraries if entry.remote_code else {}
    return {
        "hub": entry.hub,
        "weights": entry.revision if pinned else weights.digest(folder),
        "modules": [_described(module) for module in model.children()],
        "code": code(Path(__file__).parent, names),
        "foreign": foreign(model) if entry.remote_code else None,
        "libraries": {name: version(name) for name in (*_LIBRARIES, *needed)},
        "device": devices.arithmetic(devices.loaded()),
    }


def code(folder: Path, names: Iterable[str]) -> str:
    """SHA-256 over modules of a folder, by their names."""
    texts = [f"{name} {sha256(folder / f'{name}.py')}\n" for name in names]
    return hashlib.sha256("".join(texts).encode()).hexdigest()


def foreign(model: torch.nn.Module) -> str:
    """SHA-256 over the folders of code of repositories that the model's modules are made of."""
    kinds = {type(module) for module in model.modules() if type(module).__module__.startswith(_FOREIGN)}
    folders = {Path(inspect.getfile(kind)).parent for kind in kinds}
    return hashlib.sha256("".join(sorted(weights.digest(folder) for folder in folders)).encode()).hexdigest()


def _described(module: torch.nn.Module) -> dict[str, Any]:
    """A module of the model: its class and, where it has one, its configuration."""
    plain = (str, int, float, bool, list, tuple, dict)
    keys = [key for key in getattr(module, "config_keys", []) if isinstance(getattr(module, key, None), plain)]
    return {"class": type(module).__name__, **{key: getattr(module, key) for key in sorted(keys)}}
