"""Models of the registry: list, show, fetch, check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from patent_embeddings.core import hub
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.encoders import weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from patent_embeddings.encoders.base import Encoder
    from patent_embeddings.encoders.entries import Weights

FILES = ("*.json", "*.txt", "*.model", "*.jinja", "*.safetensors", "*.metadata")
OTHERS = ("onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*")  # the same weights for other runtimes


def download(entry: Weights, name: str) -> None:
    """Fetch one model and say where it lies and under which licence."""

    retry = f"python -m stages.model fetch {name}"
    if entry.source != "hub":
        say(f"{name}: lies at {weights.locate(entry)}, nothing to download")
        return
    if not entry.revision:
        weights.locate(entry)  # raises, and says how to pin
    say(f"{name}: {entry.hub} at {str(entry.revision)[:12]}, licence {entry.licence}")
    patterns = [*FILES, *entry.weights, *(["*.py"] if entry.remote_code else [])]
    folder = hub.download(
        entry.hub,
        str(entry.revision),
        "model",
        patterns,
        skip=OTHERS,
        pins=entry.weights,
        needs=list(entry.weights) or ["*.safetensors"],
        retry=retry,
    )
    if weights.missing(folder) == "model.safetensors":
        raise UserError(f"{name}: {entry.hub} has no safetensors; pin the sha256 of its pytorch_model.bin in `weights` of its entry, then run `{retry}`")  # fmt: skip
    say(f"{name}: {weights.locate(entry)}")


def findings(encoder: Encoder) -> Iterator[tuple[str, str, bool]]:
    """What a loaded model does, against its entry: (what, detail, whether it fits)."""

    entry = encoder.entry
    short, long = "A pump.", "A valve with a spring that closes a duct when the pressure falls. " * 40
    tolerance = 1e-4 if encoder.dtype == "float32" else 3e-2

    def vectors(texts: list[str], side: Any) -> list[Any]:
        """One array a text: [dimension], or [tokens, dimension]."""
        out = encoder.encode(texts, side)
        return np.split(out[0], out[1][1:]) if isinstance(out, tuple) else list(out)

    alone, batched = vectors([short], "document")[0], vectors([long, short], "document")[1]
    query = vectors([short], "query")[0]
    yield "dimension", f"{alone.shape[-1]}, entry {entry.dimension}", alone.shape[-1] == entry.dimension
    yield "finite", "every value is a number", bool(np.isfinite(alone).all() and np.isfinite(batched).all())
    norms = np.linalg.norm(np.atleast_2d(alone), axis=1)
    yield "norm", f"{norms.min():.4f} to {norms.max():.4f}", bool(norms.min() > 0)
    same = alone.shape == batched.shape
    apart = float(np.abs(alone - batched).max()) if same else float("inf")
    yield "padding", f"alone and in a batch differ by {apart:.1e}", apart <= tolerance
    like = query.shape == alone.shape and float(np.abs(query - alone).max()) <= tolerance
    prompted = encoder.prompt("query") != encoder.prompt("document") or entry.tasks is not None
    sided = prompted or entry.encoder == "late"
    yield "sides", f"query and document vectors of one text are {'equal' if like else 'different'}, prompts {'differ' if prompted else 'are the same'}", like != sided  # fmt: skip
    for side in ("query", "document"):
        own = (encoder.model.prompts or {}).get(side)
        if own and own != encoder.prompt(side):  # type: ignore[arg-type]
            yield "prompt", f"{side}: the entry's {encoder.prompt(side)!r} is used, the weights name {own!r}", True  # type: ignore[arg-type]
