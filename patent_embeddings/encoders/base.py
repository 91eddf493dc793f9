"""What dense and late encoders share: a loaded model, its read-out and its adapter."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

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
    fingerprints,
    loading,
    nomic_moe,  # noqa: F401 (registers a class)
    products,
    task_adapters,
)
from patent_embeddings.encoders.prompts import own
from patent_embeddings.encoders.specification import Options, Specification
from patent_embeddings.encoders.values import Embedder, Side

if TYPE_CHECKING:
    from patent_embeddings.encoders.engines import Vectors

# A pooling of the registry, as sentence-transformers names it.
POOLING = {"mean": "mean", "cls": "cls", "last": "lasttoken"}


class Encoder(Specification, ABC):
    """A loaded model, in evaluation mode."""

    model_class: str
    kinds: tuple[str, ...]  # that folders of such models call themselves

    def __init__(self, entry: Embedder, **options: Unpack[Options]) -> None:
        super().__init__(entry, **options)
        kwargs = quantised(self.device) if self.frozen == "nf4" else {}
        make = getattr(sentence_transformers, self.model_class)
        self.model = loading.opened(
            entry, self.folder, self.kinds, partial(make, device=self.device), self.dtype, kwargs
        )
        self.model.max_seq_length = self.limit
        if self.tokenizer is not None:
            self.tokenizer.padding_side = entry.padding
            self._require_room()
        self._read_out()
        if self.adapter:
            self._adapt(self.adapter)
        if task_adapters.switches(entry) and self.frozen is None:
            task_adapters.put(entry, self.folder, self.network)
        self.model.eval()
        if self.products == "onednn":
            products.by_onednn(self.model)

    def encode(self, texts: Sequence[str], side: Side) -> Vectors:
        """Vectors of texts of one side; see `Dense.compute` and `Late.compute`."""
        return self.compute(self.prepare(texts, side), side)

    @abstractmethod
    def prepare(self, texts: Sequence[str], side: Side) -> Any:
        """Tokenize texts; needs no model, so that another thread can do it ahead."""

    @abstractmethod
    def compute(self, prepared: Any, side: Side) -> Vectors:
        """Vectors of tokenized texts, as `prepare` returns them."""

    def foreign(self) -> str | None:
        """Digest of the code of repositories that the model runs; None where it runs none."""
        return fingerprints.foreign(self.model) if self.entry.remote_code else None

    @property
    def network(self) -> Any:
        """The network of transformers, without peft's wrapper where an adapter is not merged."""
        inner = self.model[0].model
        return inner.get_base_model() if isinstance(inner, PeftModel) else inner

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self.model.tokenizer

    def _require_room(self) -> None:
        """Raise UserError where texts of a side are cut to their prompt, so that all would have the same vector."""
        sides: tuple[Side, ...] = ("query", "document", *own(self.entry))
        for side in sides:
            if self.room(self.tokenizer, [side]) < 1:
                tokens, prompt = self.query_length if side == "query" else self.length, self.prompt(side)[:60]
                what = f"nothing of a {side} is kept in {tokens} tokens beside its prompt {prompt!r}"
                mend = "set embed.length (in training finetune.length) higher, or mend its entry"
                raise UserError(f"{self.entry.hub}: {what}; {mend}")

    def _read_out(self) -> None:
        """Check the entry's pooling and head against the weights' own configuration.

        Weights without a configuration of sentence-transformers are pooled as the entry says. Raises UserError: entry
        and configuration differ, and the field is not among `unverified`.
        """
        entry, modules = self.entry, {type(module).__name__: module for module in self.model}
        wanted, pooling = POOLING.get(entry.pooling), modules.get("Pooling")
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
        """Add a peft adapter to the network; in float32 it is merged into the weights, so that inference costs no more.

        Raises UserError: a file of it is missing, it does not fit the network, or a weight is NaN or infinite.
        """
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
        # Without `save_embedding_layers=False` peft would ask the hub for the base model's vocabulary.
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
    """Arguments that load weights in 4 bits as QLoRA does (Dettmers et al., 2023): nf4, quantised twice.

    Raises UserError: the library for it is not installed.
    """
    if find_spec("bitsandbytes") is None:
        mend = "run `pip install bitsandbytes`, or set `memory.weights` of its entry to bfloat16"
        raise UserError(f"this model is tuned on weights in 4 bits: {mend}")
    options = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16, **options)
    return {"quantization_config": config, "device_map": {"": device}}
