"""An embedding model and how it is read out: all that decides its vectors, known without loading it or torch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict, Unpack

from patent_embeddings.encoders import devices, fingerprints, weights
from patent_embeddings.encoders.precision import resolve
from patent_embeddings.encoders.prompts import prompt
from patent_embeddings.encoders.values import Embedder, Frozen, Side

_CACHED = 3072  # tokens of a batch whose activations stay in a processor's cache
# The modules of this package that can change a vector; a test compares this list with the imports. The texts as they
# are cut, and what this module derives from an entry, are in the key themselves; shards and engines only carry vectors.
CODE = ("base", "dense", "late", "loading", "native", "nomic_moe", "products", "task_adapters")
# The fields of an entry that decide how vectors are read out, or that loading checks.
_FIELDS = {"encoder", "pooling", "head", "dimension", "padding"}


class Options(TypedDict, total=False):
    """How a model is read out, beside what its entry says."""

    length: int | None  # tokens that texts are cut to; None, as by default: the entry's evaluation length
    dtype: str  # `float32`, the default, `bfloat16`, or `auto`: bfloat16 where the device computes it natively
    adapter: Path | None  # folder of a peft adapter
    scale: float  # weighs the adapter, from 0 (zero-shot) to 1 (as trained), the default
    frozen: Frozen | None  # kept so while an adapter is trained on them, whatever `dtype`; None: not for training


class Specification:
    """A model of the registry with its options, which `factory.opened` loads it by.

    `length` and `query_length` count prompt and special tokens, `dtype` is `float32` or `bfloat16`, `device` is `cpu`
    or `cuda`, and `products` is `onednn` where that multiplies the linear layers, else `torch`.

    Raises UserError: the weights are not on this machine, or not as pinned.
    """

    def __init__(self, entry: Embedder, **options: Unpack[Options]) -> None:
        self.entry, self.options = entry, options
        self.folder = weights.locate(entry)
        self.late = entry.encoder == "late"  # a vector for each token of a text, not one a text
        self.length = min(options.get("length") or entry.length, entry.max_length)
        queries = entry.query_length if self.late else None
        self.query_length = min(queries or self.length, entry.max_length)
        device = devices.loaded()
        self.device = device.kind
        self.frozen = options.get("frozen")
        dtype = self.frozen or options.get("dtype", "float32")
        self.dtype = resolve("bfloat16" if dtype == "nf4" else dtype, device)
        self.products = devices.products(device, self.dtype)
        self.scale = options.get("scale", 1.0)
        self.adapter = options.get("adapter") if self.scale else None

    @property
    def limit(self) -> int:
        """Tokens that are kept of a text, of the side that keeps more."""
        return max(self.length, self.query_length)

    @property
    def budget(self) -> int:
        """Tokens that go through the model at once, padding included."""
        return self.entry.memory.tokens if self.device == "cuda" else _CACHED

    def prompt(self, side: Side) -> str:
        """Text that is put before each text of a side, by the registry and not by the model's own files."""
        return prompt(self.entry.prompts, side)

    def room(self, tokenizer: Any, sides: Iterable[Side]) -> int:
        """Tokens that are kept of a text besides special tokens and prompt, of the side that keeps the fewest."""
        prompts = {side: len(tokenizer(self.prompt(side), verbose=False)["input_ids"]) for side in sides}
        return min((self.query_length if side == "query" else self.length) - prompts[side] for side in prompts)

    def key(self, side: Side) -> str:
        """The fingerprint of a side as text."""
        return json.dumps(self.fingerprint(side), sort_keys=True)

    def fingerprint(self, side: Side) -> dict[str, Any]:
        """Everything that changes a vector of this side, as plain JSON values."""
        entry, tasks = self.entry, self.entry.tasks
        # What may treat the sides differently beyond their prompts; sentence-transformers called a Router Asym before.
        sided = self.late or entry.remote_code or any(weights.lists(self.folder, name) for name in ("Router", "Asym"))
        return {
            **fingerprints.shared(entry, self.folder, CODE),
            "foreign": self.foreign(),
            **entry.model_dump(include=_FIELDS),
            "prompt": self.prompt(side),
            "side": side if sided else None,
            "task": getattr(tasks, side) if tasks else None,
            "length": self.length,
            "query_length": self.query_length,
            "dtype": self.frozen or self.dtype,
            "quantised": version("bitsandbytes") if self.frozen == "nf4" else None,
            "products": self.products,
            "budget": self.budget,
            "adapter": weights.digest(self.adapter) if self.adapter else None,
            "scale": self.scale if self.adapter else None,
        }

    def fingerprints(self) -> list[dict[str, Any]]:
        """Fingerprints of queries and documents, under which the model's test is remembered; see `self_test.gate`."""
        return [self.fingerprint("query"), self.fingerprint("document")]

    def foreign(self) -> str | None:
        """Digest of the code of repositories that the model runs; None where it runs none."""
        if self.entry.remote_code:
            raise NotImplementedError(f"{self.entry.hub}: which code it runs is known only once it is loaded")
        return None
