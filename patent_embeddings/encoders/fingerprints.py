"""What decides the numbers of a model, as plain JSON values: the keys of the scratch and of passed tests."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patent_embeddings.core.files import sha256
from patent_embeddings.encoders import devices, weights
from patent_embeddings.encoders.values import Weights

if TYPE_CHECKING:
    import torch

_LIBRARIES = ("torch", "transformers", "sentence-transformers", "tokenizers", "peft")
_FOREIGN = "transformers_modules."  # where transformers puts code of repositories


def shared(entry: Weights, folder: Path, names: Iterable[str]) -> dict[str, Any]:
    """What every kind of model depends on; `names` are the modules of this package that can change its numbers.

    Weights and configurations: in the hub's cache their commit, and the names of the configurations that are there, as
    other programs download only some; else a digest of their contents. Our code, libraries, and those that code of the
    repository is said to need. The device: the same model gives other last digits on another kind of GPU or processor,
    and may fail on one alone.
    """
    pinned = entry.source == "hub" and folder.name == entry.revision
    needed = entry.libraries if entry.remote_code else {}
    return {
        "hub": entry.hub,
        "weights": [entry.revision, *weights.configurations(folder)] if pinned else weights.digest(folder),
        "native": entry.native,
        "code": code(Path(__file__).parent, names),
        "libraries": {name: version(name) for name in (*_LIBRARIES, *needed)},
        "device": devices.arithmetic(devices.loaded()),
    }


def code(folder: Path, names: Iterable[str]) -> str:
    """SHA-256 over modules of a folder, by their names."""
    texts = [f"{name} {sha256(folder / f'{name}.py')}\n" for name in names]
    return hashlib.sha256("".join(texts).encode()).hexdigest()


def foreign(model: torch.nn.Module) -> str:
    """SHA-256 over the code of repositories that a loaded model runs.

    It may come from another repository than the weights, so that the commit of the weights does not name it.
    """
    kinds = {type(module) for module in model.modules() if type(module).__module__.startswith(_FOREIGN)}
    folders = {Path(inspect.getfile(kind)).parent for kind in kinds}
    return hashlib.sha256("".join(sorted(weights.digest(folder) for folder in folders)).encode()).hexdigest()
