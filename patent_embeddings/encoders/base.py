"""What dense and late encoders share: opening a model, its read-out, its adapter and its fingerprint."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sentence_transformers
import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from peft.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME, get_peft_model_state_dict
from safetensors import safe_open
from transformers import BitsAndBytesConfig

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.encoders import (
    devices,
    fingerprints,
    loading,
    nomic_moe,  # noqa: F401 (registers a class)
    products,
    task_adapters,
    weights,
)
from patent_embeddings.encoders.precision import resolve
from patent_embeddings.encoders.prompts import prompt
from patent_embeddings.encoders.values import Embedder, Frozen, Side

if TYPE_CHECKING:
    from patent_embeddings.encoders.engines import Vectors

_POOLING = {"mean": "mean", "cls": "cls", "last": "lasttoken"}
_CACHED = 3072  # tokens of a batch whose activations stay in a processor's cache
# The modules of this package that can change a vector. What they read of an entry, and the texts as they are cut, stand
# in the fingerprint themselves, and shards and engines only carry vectors: a test holds this list against the imports.
CODE = ("base", "dense", "late", "loading", "native", "nomic_moe", "nomic_moe_config", "products", "task_adapters")


class Encoder(ABC):
    """A loaded model, in evaluation mode; `factory.encoder` says what its `options` are.

    `length` counts prompt and special tokens, `dtype` is `float32` or `bfloat16`, `device` is `cpu` or `cuda`, and
    `products` `onednn` where that multiplies its linear layers (see `products`), else `torch`.
    """

    model_class: str
    kinds: tuple[str, ...]  # that folders of such models call themselves
    late: bool  # a vector for each token of a text, not one a text

    def __init__(
        self,
        entry: Embedder,
        *,
        length: int | None,
        dtype: str,
        adapter: Path | None,
        scale: float,
        frozen: Frozen | None,
    ) -> None:
        self.entry = entry
        self.options = {"length": length, "dtype": dtype, "adapter": adapter, "scale": scale, "frozen": frozen}
        self.length = min(length or entry.length, entry.max_length)
        self.folder = weights.locate(entry)
        device = devices.loaded()
        self.device = device.kind
        self.frozen = frozen
        self.dtype = resolve("bfloat16" if frozen == "nf4" else frozen or dtype, device)
        self.adapter = adapter if scale else None
        self.scale = scale if adapter else 1.0
        kwargs = quantised(self.device) if frozen == "nf4" else {}
        make = getattr(sentence_transformers, self.model_class)
        self.model = loading.opened(
            entry, self.folder, self.kinds, partial(make, device=self.device), self.dtype, kwargs
        )
        self.model.max_seq_length = self.length
        if self.tokenizer is not None:
            self.tokenizer.padding_side = entry.padding
        self._read_out()
        if self.adapter:
            self._adapt(self.adapter)
        if task_adapters.switches(entry) and frozen is None:
            task_adapters.put(entry, self.folder, self.network)
        self.model.eval()
        self.products = "torch"
        if products.lag(device, self.dtype):
            products.by_onednn(self.model)
            self.products = "onednn"

    def encode(self, texts: Sequence[str], side: Side) -> Vectors:
        """Vectors of texts of one side; see `Dense.compute` and `Late.compute`."""
        return self.compute(self.prepare(texts, side), side)

    @abstractmethod
    def prepare(self, texts: Sequence[str], side: Side) -> Any:
        """What of the encoding needs only the tokenizer, so that another thread can do it ahead."""

    @abstractmethod
    def compute(self, prepared: Any, side: Side) -> Vectors:
        """Vectors of what `prepare` gave."""

    @property
    def network(self) -> Any:
        """The network of transformers, without what peft puts round it where an adapter is not merged."""
        inner = self.model[0].model
        return inner.get_base_model() if isinstance(inner, PeftModel) else inner

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self.model.tokenizer

    def prompt(self, side: Side) -> str:
        """What is put before a text of this side, by the registry and not by the model's own files."""
        return prompt(self.entry.prompts, side)

    def fingerprint(self, side: Side) -> dict[str, Any]:
        """Everything that changes a vector of this side, as plain JSON values in fixed order."""
        entry, tasks = self.entry, self.entry.tasks
        # What may treat the sides differently beyond their prompts.
        sided = self.late or entry.remote_code or any(type(module).__name__ == "Router" for module in self.model)
        return {
            **fingerprints.shared(entry, self.folder, self.model, CODE),
            "class": self.model_class,
            "prompt": self.prompt(side),
            "side": side if sided else None,
            "task": getattr(tasks, side) if tasks else None,
            "length": self.length,
            "padding": entry.padding,
            "dtype": self.frozen or self.dtype,
            "quantised": version("bitsandbytes") if self.frozen == "nf4" else None,
            "products": self.products,
            "budget": self.budget,
            "adapter": weights.digest(self.adapter) if self.adapter else None,
            "scale": self.scale if self.adapter else None,
        }

    @property
    def limit(self) -> int:
        """Tokens of the longest side that are kept of a text."""
        return int(self.model.max_seq_length)

    @property
    def budget(self) -> int:
        """Tokens that go through the model at once, padding included."""
        return self.entry.memory.tokens if self.device == "cuda" else _CACHED

    def _read_out(self) -> None:
        """Hold the entry's read-out against the weights' own: a wrong one gives plausible wrong numbers.

        Weights without a sentence-transformers configuration are read out as the entry says.
        """
        entry, modules = self.entry, {type(module).__name__: module for module in self.model}
        wanted, pooling = _POOLING.get(entry.pooling), modules.get("Pooling")
        if pooling is not None and wanted and pooling.pooling_mode != wanted:
            own = f"the weights' own configuration {pooling.pooling_mode!r}"
            if not (self.folder / "modules.json").is_file():
                pooling.pooling_mode = wanted
            elif "pooling" not in entry.unverified:
                raise UserError(f"{entry.hub}: the registry says `pooling: {entry.pooling}`, {own}; mend the entry")
            else:
                say(f"{entry.hub}: pooled as {own} says; its entry's {entry.pooling!r} is unverified")
        if entry.encoder == "dense" and entry.head != ("Dense" in modules):
            if "head" not in entry.unverified:
                head = ("true", "the weights lack the") if entry.head else ("false", "the weights have a")
                fault = f"the registry says `head: {head[0]}`, but {head[1]} dense layer"
                raise UserError(f"{entry.hub}: {fault}; mend the entry or fetch the model again")
            say(f"{entry.hub}: its entry's `head` is unverified and does not fit the weights, which are followed")

    def _adapt(self, folder: Path) -> None:
        """Put the adapter on; in float32 it is merged into the weights, so that inference costs no more."""
        for name in (CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME):  # or peft would ask the hub
            if not (folder / name).is_file():
                raise UserError(f"{folder}: no {name}; run `dvc repro finetune`")
        unfit = f"{folder}: this adapter does not fit {self.entry.hub}"
        try:
            with loading.offline(), warnings.catch_warnings():
                # peft reads an attribute that transformers is about to rename, and warns of names that do not match.
                warnings.simplefilter("ignore")
                adapted = PeftModel.from_pretrained(self.model[0].model, str(folder), local_files_only=True)
            with safe_open(folder / SAFETENSORS_WEIGHTS_NAME, framework="numpy") as file:
                saved = set(file.keys())
        except Exception as error:
            said = f"{str(error).splitlines()[0]:.120}"
            raise UserError(f"{unfit} ({said}); run `dvc repro finetune`") from error
        # No adapter here has vectors of words: else peft would ask the hub for the base model's vocabulary.
        state = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        if other := sorted(saved ^ set(state)):
            fault = f"{other[0]} is {'of no layer' if other[0] in saved else 'missing'}"
            more = f" and {len(other) - 1} more" if other[1:] else ""
            raise UserError(f"{unfit}: {fault}{more}; run `dvc repro finetune`")
        if broken := [name for name, tensor in state.items() if not tensor.isfinite().all()]:
            what = f"{folder}: this adapter is not all numbers: {broken[0]} holds NaN or infinity"
            raise UserError(f"{what}; run `dvc repro -f finetune`")
        for module in adapted.modules():
            if isinstance(module, LoraLayer):
                module.scale_layer(self.scale)
        # In bfloat16 a merged weight would round the small delta away.
        self.model[0].model = adapted.merge_and_unload() if self.dtype == "float32" else adapted


def quantised(device: str) -> dict[str, Any]:
    """Arguments that load weights in 4 bits, as QLoRA (Dettmers et al., 2023) freezes them: nf4, quantised twice.

    Raises UserError: the library for it is not installed.
    """
    if find_spec("bitsandbytes") is None:
        mend = "run `pip install bitsandbytes`, or set `memory.weights` of its entry to bfloat16"
        raise UserError(f"this model is tuned on weights in 4 bits: {mend}")
    options = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16, **options)
    return {"quantization_config": config, "device_map": {"": device}}
