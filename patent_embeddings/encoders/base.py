"""What dense and late encoders share: opening a model, its adapter, prompts and fingerprint."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
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
from transformers.utils import logging

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.encoders import loading, products, weights
from patent_embeddings.encoders.entries import Frozen, Model, Side

if TYPE_CHECKING:
    import torch

    from patent_embeddings.encoders.engines import Vectors

_POOLING = {"mean": "mean", "cls": "cls", "last": "lasttoken"}
_CACHED = 3072  # tokens of a batch whose activations stay in a processor's cache
_LIBRARIES = ("torch", "transformers", "sentence-transformers", "tokenizers", "peft")


class Encoder(ABC):
    """A loaded model.

    Attributes:
        entry: its registry entry.
        options: what else it was loaded with.
        model: the sentence-transformers model, in evaluation mode.
        length: tokens that texts are cut to, prompt and special tokens included.
        dtype: `float32` or `bfloat16`, as resolved.
        frozen: what the weights are kept in for tuning, or None.
        device: `cpu` or `cuda`.
        products: `onednn` where its linear layers are multiplied by oneDNN (see `products`), else `torch`.
    """

    model_class: str
    kinds: tuple[str, ...]  # that folders of such models call themselves
    late: bool  # a vector for each token of a text, not one a text

    def __init__(
        self, entry: Model, *, length: int | None, dtype: str, adapter: Path | None, scale: float,
        frozen: Frozen | None,
    ) -> None:  # fmt: skip

        logging.disable_progress_bar()
        self.entry = entry
        self.options = {
            "length": length,
            "dtype": dtype,
            "adapter": adapter,
            "scale": scale,
            "frozen": frozen,
        }
        self.length = entry.kept(length)
        self.folder = weights.locate(entry)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.frozen = frozen
        self.dtype = resolve("bfloat16" if frozen == "nf4" else frozen or dtype, self.device)
        self.adapter = adapter if scale else None
        self.scale = scale if adapter else 1.0
        kwargs = {
            "dtype": getattr(torch, self.dtype),
            "use_safetensors": not weights.pickles(self.folder),
            **(quantised(self.device) if frozen == "nf4" else {}),
        }
        loading.kind(entry, self.folder, self.kinds)
        with loading.whole(entry, self.folder) as absent:
            self.model: Any = getattr(sentence_transformers, self.model_class)(
                str(self.folder),
                device=self.device,
                local_files_only=True,
                trust_remote_code=weights.consented(entry),
                model_kwargs=kwargs,
            )
        self.model.max_seq_length = self.length
        if self.tokenizer is not None:
            self.tokenizer.padding_side = entry.padding
            loading.worded(entry, self.folder, self.tokenizer, loading.rows(self.model))
        loading.finite(entry, self.folder, self.model, absent)
        self._read_out()
        if self.adapter:
            self._adapt(self.adapter)
        self.model.eval()
        self.products = "torch"
        if self.device == "cpu" and self.dtype == "float32" and products.lag():
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
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self.model.tokenizer

    def prompt(self, side: Side) -> str:
        """What is put before a text of this side, of the registry and not of the model's own files."""
        return prompt(self.entry, side)

    def fingerprint(self, side: Side) -> dict[str, Any]:
        """Everything that changes a vector of this side, as plain JSON values in fixed order."""
        tasks = self.entry.tasks
        return {
            "hub": self.entry.hub,
            "weights": self.entry.revision if self._pinned else weights.digest(self.folder),
            "class": self.model_class,
            "modules": [_described(module) for module in self.model],
            "prompt": self.prompt(side),
            "side": side if self._sided else None,
            "task": getattr(tasks, side) if tasks else None,
            "length": self.length,
            "padding": self.entry.padding,
            "dtype": self.frozen or self.dtype,
            "device": self.device,
            "products": self.products,
            "budget": self.budget,
            "code": weights.digest(Path(__file__).parent),
            "libraries": {name: version(name) for name in _LIBRARIES},
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
        return self.entry.plan.tokens if self.device == "cuda" else _CACHED

    @property
    def _sided(self) -> bool:
        """Whether the model may treat the sides differently beyond their prompts."""
        routed = any(type(module).__name__ == "Router" for module in self.model)
        return self.late or self.entry.remote_code or routed

    @property
    def _pinned(self) -> bool:
        """Whether the weights come from the hub's cache, where the commit says what they are."""
        return self.entry.source == "hub" and self.folder.name == self.entry.revision

    def _read_out(self) -> None:
        """Hold the entry's read-out against the weights' own: a wrong one gives plausible wrong numbers.

        Weights without a sentence-transformers configuration are read out as the entry says.
        """
        modules = {type(module).__name__: module for module in self.model}
        wanted = _POOLING.get(self.entry.pooling)
        pooling = modules.get("Pooling")
        configured = (self.folder / "modules.json").is_file()
        if pooling is not None and wanted and pooling.pooling_mode != wanted:
            if configured and "pooling" not in self.entry.unverified:
                raise UserError(f"{self.entry.hub}: the registry says `pooling: {self.entry.pooling}`, the weights' own configuration {pooling.pooling_mode!r}; mend the entry")  # fmt: skip
            if configured:
                say(f"{self.entry.hub}: pooled by {pooling.pooling_mode!r} as its configuration says; its entry's {self.entry.pooling!r} is unverified")  # fmt: skip
            else:
                pooling.pooling_mode = wanted
        if self.entry.encoder == "dense" and self.entry.head != ("Dense" in modules):
            if "head" not in self.entry.unverified:
                raise UserError(f"{self.entry.hub}: the registry says `head: {str(self.entry.head).lower()}`, but the weights {'have a' if 'Dense' in modules else 'lack the'} dense layer; mend the entry or fetch the model again")  # fmt: skip
            say(f"{self.entry.hub}: its entry's `head` is unverified and does not fit the weights, which are followed")

    def _adapt(self, folder: Path) -> None:
        """Put the adapter on; in float32 it is merged into the weights, so that inference costs no more."""

        for name in (CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME):  # or peft would ask the hub
            if not (folder / name).is_file():
                raise UserError(f"{folder}: no {name}; run `dvc repro finetune`")
        try:
            with loading.offline(), warnings.catch_warnings():
                # peft reads an attribute that transformers is about to rename, and warns of names that do not match.
                warnings.simplefilter("ignore")
                adapted = PeftModel.from_pretrained(self.model[0].model, str(folder), local_files_only=True)
            with safe_open(folder / SAFETENSORS_WEIGHTS_NAME, framework="numpy") as file:
                saved = set(file.keys())
        except Exception as error:
            raise UserError(f"{folder}: this adapter does not fit {self.entry.hub} ({str(error).splitlines()[0]:.120}); run `dvc repro finetune`") from error  # fmt: skip
        if other := sorted(saved ^ set(get_peft_model_state_dict(adapted))):
            raise UserError(f"{folder}: this adapter does not fit {self.entry.hub}: {other[0]} is {'of no layer' if other[0] in saved else 'missing'}{f' and {len(other) - 1} more' if other[1:] else ''}; run `dvc repro finetune`")  # fmt: skip
        for name, tensor in get_peft_model_state_dict(adapted).items():
            if not tensor.isfinite().all():
                raise UserError(f"{folder}: this adapter is not all numbers: {name} holds NaN or infinity; run `dvc repro -f finetune`")  # fmt: skip
        for module in adapted.modules():
            if isinstance(module, LoraLayer):
                module.scale_layer(self.scale)
        # In bfloat16 a merged weight would round the small delta away.
        self.model[0].model = adapted.merge_and_unload() if self.dtype == "float32" else adapted


def head(text: str, tokens: int) -> str:
    """The beginning of a text that holds its first `tokens` tokens, so that the rest is never tokenized.

    A word has at least one token, but for rare words of characters that tokenizers drop: twice as many words as
    tokens leave room for those. A text without blanks is left whole.
    """
    words = text.split(None, 2 * tokens)
    return text[: -len(words[-1])] if len(words) > 2 * tokens else text


def prompt(entry: Model, side: Side) -> str:
    """Prompt of a side; classification and clustering fall back to the document's."""
    own = getattr(entry.prompts, side)
    return str(entry.prompts.document if own is None else own)


def resolve(dtype: str, device: str) -> str:
    """`auto` becomes bfloat16 where the device computes it natively, else float32."""

    if dtype != "auto":
        return dtype
    if device == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if native else "float32"


def quantised(device: str) -> dict[str, Any]:
    """Arguments that load weights in 4 bits, as QLoRA (Dettmers et al., 2023) freezes them: nf4, quantised twice.

    Raises:
        UserError: the library for it is not installed.
    """

    if find_spec("bitsandbytes") is None:
        raise UserError("this model is tuned on weights in 4 bits: run `pip install bitsandbytes`, or set `memory.weights` of its entry to bfloat16")  # fmt: skip
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": config, "device_map": {"": device}}


def _described(module: torch.nn.Module) -> dict[str, Any]:
    """A module of the model: its class and, where it has one, its configuration."""
    keys = [key for key in getattr(module, "config_keys", []) if isinstance(getattr(module, key, None), str | int | float | bool | list | tuple | dict)]  # fmt: skip
    return {"class": type(module).__name__, **{key: getattr(module, key) for key in sorted(keys)}}
