"""Random weights in the shapes of models of the registry, read out, padded and loaded as their entries say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Entry of the registry: class of its configuration, and what that differs in from its defaults.
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert-for-patents": ("BertConfig", {"vocab_size": 39859, "hidden_size": 1024, "num_hidden_layers": 24,
                         "num_attention_heads": 16, "intermediate_size": 4096}),
    "me5-large": ("XLMRobertaConfig", {"vocab_size": 250002, "hidden_size": 1024, "num_hidden_layers": 24,
                  "num_attention_heads": 16, "intermediate_size": 4096, "max_position_embeddings": 514,
                  "type_vocab_size": 1}),
    "qwen3-0-6b": ("Qwen3Config", {"vocab_size": 151669, "hidden_size": 1024, "num_hidden_layers": 28,
                   "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 3072}),
    "nemotron-1b": ("LlamaConfig", {"vocab_size": 128256, "hidden_size": 2048, "num_hidden_layers": 16,
                    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 8192}),
    "qwen3-4b": ("Qwen3Config", {"vocab_size": 151665, "hidden_size": 2560, "num_hidden_layers": 36,
                 "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 9728}),
    "qwen3-8b": ("Qwen3Config", {"vocab_size": 151665, "hidden_size": 4096, "num_hidden_layers": 36,
                 "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 12288}),
    "kalm-gemma3-12b": ("Gemma3TextConfig", {"vocab_size": 262208, "hidden_size": 3840, "num_hidden_layers": 48,
                        "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 256,
                        "intermediate_size": 15360, "sliding_window": 1024}),
}  # fmt: skip
WORDS = 8192  # of the tokenizer
# Two small layers of each.
TINY = {
    "vocab_size": WORDS, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 16, "intermediate_size": 128,
}  # fmt: skip
PADDING, UNKNOWN, FIRST, LAST = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
BYTES = {"float32": 4.0, "bfloat16": 2.0}
# nf4 quantised twice (Dettmers et al., 2023): half a byte, and a byte each 64 weights, and 4 each 256 of those.
NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)
_MODULES = "sentence_transformers."


@dataclass(frozen=True)
class Shape:
    """Random weights on disk."""

    entry: Any  # of a folder, with the read-out, padding, prompts, precision and plan of the registry's
    parameters: int
    linear: int  # those of linear layers, which are what 4 bits are for

    def mib(self, kept: str) -> float:
        """Memory of the weights, by a sum, as `float32`, `bfloat16` or `nf4`: there the rest is in bfloat16."""
        if kept == "nf4":
            return (self.linear * NF4 + (self.parameters - self.linear) * BYTES["bfloat16"]) / 2**20
        return self.parameters * BYTES[kept] / 2**20


def config(name: str, *, tiny: bool) -> Any:
    """The configuration of a shape, for the tokenizer of `words`."""
    import transformers

    from patent_embeddings.encoders.entries import model_entry

    kind, shape = SHAPES[name]
    small = {key: value for key, value in TINY.items() if key in shape} if tiny else {}
    # Of the registry's `native` forms: the library's class, told to read both ways.
    way = {"is_causal": False} if model_entry(name).native else {}
    found = getattr(transformers, kind)(**{**shape, **small, **way, "pad_token_id": 0})
    found.initializer_range = found.hidden_size**-0.5  # which keeps the spread of states, so that texts differ
    return found


def count(model: Any) -> tuple[int, int]:
    """Parameters of a network, and those of the weights of its linear layers."""
    import torch

    linear = sum(one.weight.numel() for one in model.modules() if isinstance(one, torch.nn.Linear))
    return sum(one.numel() for one in model.parameters()), linear


def build(name: str, folder: Path, length: int, sample: Sequence[str], *, tiny: bool) -> Shape:
    """Weights in bfloat16, made on the device and saved as the hub has them, with a tokenizer of the sample's words."""
    import torch
    import transformers

    from patent_embeddings.core import registry
    from patent_embeddings.encoders import weights
    from patent_embeddings.encoders.entries import Model, model_entry

    entry, shape = model_entry(name), config(name, tiny=tiny)
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = transformers.AutoModel.from_config(shape, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    words(sample, entry.padding).save_pretrained(folder)
    read_out(folder, shape.hidden_size, entry.pooling)
    kept = min(length, entry.length)
    block = entry.model_dump() | {
        "source": "folder", "path": str(folder), "hub": f"random/{name}", "revision": None, "weights": {},
        "digest": weights.digest(folder), "dimension": shape.hidden_size, "max_length": kept, "length": kept,
        "unverified": [],
    }  # fmt: skip
    return Shape(registry.validated("models", name, block, Model), *count(model))


def words(sample: Sequence[str], padding: str) -> Any:
    """A tokenizer of WordPieces, learnt from a sample: the registry's own are not on a machine without the weights."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [PADDING, UNKNOWN, FIRST, LAST]
    tokenizer.train_from_iterator(
        sample[:500], trainers.WordPieceTrainer(vocab_size=WORDS, special_tokens=special, show_progress=False)
    )
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in (FIRST, LAST)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{FIRST} $A {LAST}", special_tokens=marks)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PADDING, unk_token=UNKNOWN, cls_token=FIRST, sep_token=LAST,
        padding_side=padding,
    )  # fmt: skip


def read_out(folder: Path, size: int, pooling: str) -> None:
    """What makes the folder a model of sentence-transformers: its pooling, and vectors of length 1."""
    modes = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}
    kinds = (("", "models.Transformer"), ("1_Pooling", "models.Pooling"), ("2_Normalize", "models.Normalize"))
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"{_MODULES}{kind}"}
        for place, (path, kind) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    for path, told in (("1_Pooling", {"word_embedding_dimension": size, f"pooling_mode_{modes[pooling]}": True}),
                       ("2_Normalize", {})):  # fmt: skip
        (folder / path).mkdir()
        (folder / path / "config.json").write_text(json.dumps(told), encoding="utf-8")
