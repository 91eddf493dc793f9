"""What dense and late encoders share: opening a model, its adapter, prompts and fingerprint."""

from __future__ import annotations

import hashlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.encoders import Frozen, Side, weights
from stages.errors import UserError
from stages.files import sha256
from stages.progress import say
from stages.registry import Model

if TYPE_CHECKING:
    import torch

    from stages.encoders.engines import Vectors

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
    late: bool  # a vector for each token of a text, not one a text

    def __init__(
        self, entry: Model, *, length: int | None, dtype: str, adapter: Path | None, scale: float,
        frozen: Frozen | None,
    ) -> None:  # fmt: skip
        import sentence_transformers
        import torch
        from transformers.utils import logging

        from stages.encoders import products

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
        self.model: Any = getattr(sentence_transformers, self.model_class)(
            str(self.folder),
            device=self.device,
            local_files_only=True,
            trust_remote_code=weights.consented(entry),
            model_kwargs={
                "dtype": getattr(torch, self.dtype),
                "use_safetensors": not weights.pickles(self.folder),
                **(quantised(self.device) if frozen == "nf4" else {}),
            },
        )
        self.model.max_seq_length = self.length
        if self.tokenizer is not None:
            self.tokenizer.padding_side = entry.padding
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
            "weights": self.entry.revision if self._pinned else digest(self.folder),
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
            "code": digest(Path(__file__).parent),
            "libraries": {name: version(name) for name in _LIBRARIES},
            "adapter": digest(self.adapter) if self.adapter else None,
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
        from peft import PeftModel
        from peft.tuners.lora import LoraLayer
        from peft.utils import CONFIG_NAME

        if not (folder / CONFIG_NAME).is_file():
            raise UserError(f"{folder}: no {CONFIG_NAME}; run `dvc repro finetune`")
        try:
            with warnings.catch_warnings():  # peft reads an attribute that transformers is about to rename
                warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
                adapted = PeftModel.from_pretrained(self.model[0].model, str(folder))
        except (RuntimeError, ValueError, OSError) as error:
            raise UserError(f"{folder}: this adapter does not fit {self.entry.hub} ({str(error).splitlines()[0]:.120}); run `dvc repro finetune`") from None  # fmt: skip
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
    import torch

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
    from importlib.util import find_spec

    import torch
    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise UserError("this model is tuned on weights in 4 bits: run `pip install bitsandbytes`, or set `memory.weights` of its entry to bfloat16")  # fmt: skip
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": config, "device_map": {"": device}}


def digest(folder: Path) -> str:
    """SHA-256 over names and contents of the files that a model or adapter is made of."""
    total = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix in {".json", ".safetensors", ".bin", ".txt", ".model", ".py"}:
            total.update(f"{file.relative_to(folder).as_posix()} {sha256(file)}\n".encode())
    return total.hexdigest()


def _described(module: torch.nn.Module) -> dict[str, Any]:
    """A module of the model: its class and, where it has one, its configuration."""
    keys = [key for key in getattr(module, "config_keys", []) if isinstance(getattr(module, key, None), str | int | float | bool | list | tuple | dict)]  # fmt: skip
    return {"class": type(module).__name__, **{key: getattr(module, key) for key in sorted(keys)}}
