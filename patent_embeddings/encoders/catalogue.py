"""List the models of the registry, and download models and rerankers."""

from __future__ import annotations

from collections.abc import Iterable

from patent_embeddings.core import hub, registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.encoders import weights
from patent_embeddings.encoders.entries import Terms, model_entry, reranker_entry

OTHERS = ("onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*")  # the same weights for other runtimes


def models() -> list[tuple[str, ...]]:
    """One row a model: id, family, millions of parameters, dimension, length, licence, and whether it is here."""
    rows: list[tuple[str, ...]] = []
    for name in registry.ids("models"):
        entry = model_entry(name)
        licence = entry.licence + (" (gated)" if entry.gated else "")
        here = "yes" if weights.available(entry) else "unpinned" if not entry.revision else "no"
        numbers = f"{entry.parameters:g}", str(entry.dimension), str(entry.length)
        rows.append((name, entry.family, *numbers, licence, here))
    return rows


def fetch(names: list[str]) -> None:
    """Download models and rerankers by their ids. Raises UserError, at an unknown id before anything is downloaded."""
    for name, entry in entries_of(names).items():
        if entry.source == "hub":
            _download(name, entry)
        else:
            say(f"{name}: is at {weights.locate(entry)}, nothing to download")


def entries_of(names: Iterable[str]) -> dict[str, Terms]:
    """Entries of models and rerankers by their ids. Raises UserError at an unknown one."""
    rerankers = registry.ids("rerankers")
    return {name: reranker_entry(name) if name in rerankers else model_entry(name) for name in names}


def _download(name: str, entry: Terms) -> None:
    """Download one model, and say where it is and under which licence."""
    retry = f"python -m stages.model fetch {name}"
    if not entry.revision:
        pin = f"run `python -m stages.model pin {name}`, which writes the newest commit into its entry"
        raise UserError(f"{name}: no commit of {entry.hub} is pinned; {pin}, then `{retry}`")
    say(f"{name}: {entry.hub} at {str(entry.revision)[:12]}, licence {entry.licence}")
    patterns = [*(f"*{kind}" for kind in weights.FETCHED), *entry.weights, *(["*.py"] if entry.remote_code else [])]
    needs, pins = list(entry.weights) or ["*.safetensors"], entry.weights
    folder = hub.download(
        entry.hub, str(entry.revision), "model", patterns, skip=OTHERS, pins=pins, needs=needs, retry=retry
    )
    if (absent := weights.missing(folder) or "").endswith("model.safetensors"):
        mend = f"`python -m stages.model pin {name}` pins the sha256 of the pytorch_model.bin in its place"
        raise UserError(f"{name}: {entry.hub} has no {absent}; {mend}, then run `{retry}`")
    say(f"{name}: {weights.locate(entry)}")
