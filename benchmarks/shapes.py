"""Random weights in the shapes of the registry's models, with the pooling and padding of their entries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Entry of the registry: class of its configuration, and the settings that differ from the defaults.
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
WORDS = 8192  # vocabulary of the tokenizer
# Two small layers of each.
TINY = {
    "vocab_size": WORDS, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 16, "intermediate_size": 128,
}  # fmt: skip
PADDING, UNKNOWN, FIRST, LAST = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
BYTES = {"float32": 4.0, "bfloat16": 2.0}
# nf4, doubly quantised (Dettmers et al., 2023): half a byte, a byte for every 64 weights, 4 for every 256 of those.
NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)
_MODULES = "sentence_transformers."


@dataclass(frozen=True)
class Shape:
    """Random weights on disk."""

    entry: Any  # of a folder, with the pooling, padding, prompts, precision and memory plan of the registry's
    parameters: int
    linear: int  # those in linear layers, which alone are stored in 4 bits

    def mib(self, kept: str) -> float:
        """Computed memory of the weights in `float32`, `bfloat16` or `nf4` (other layers then in bfloat16)."""
        if kept == "nf4":
            return (self.linear * NF4 + (self.parameters - self.linear) * BYTES["bfloat16"]) / 2**20
        return self.parameters * BYTES[kept] / 2**20


def config(name: str, *, tiny: bool) -> Any:
    """The transformers configuration of a shape, for the tokenizer of `words`."""
    import transformers

    from patent_embeddings.encoders.entries import model_entry

    kind, shape = SHAPES[name]
    small = {key: value for key, value in TINY.items() if key in shape} if tiny else {}
    # `native` entries are computed by the library's class with bidirectional attention.
    attention = {"is_causal": False} if model_entry(name).native else {}
    made = getattr(transformers, kind)(**{**shape, **small, **attention, "pad_token_id": 0})
    made.initializer_range = made.hidden_size**-0.5  # keeps the variance of states, so that texts differ
    return made


def count(model: Any) -> tuple[int, int]:
    """Number of parameters of a network, and of those in the weights of its linear layers."""
    import torch

    linear = sum(one.weight.numel() for one in model.modules() if isinstance(one, torch.nn.Linear))
    return sum(one.numel() for one in model.parameters()), linear


def build(name: str, folder: Path, length: int, sample: Sequence[str], *, tiny: bool) -> Shape:
    """Make bfloat16 weights on the device and save them like a hub model, with a tokenizer of the sample's words."""
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
    """Train a WordPiece tokenizer on a sample, since the registry's own may not be on this machine."""
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
    """Make the folder a model of sentence-transformers: write its pooling and normalisation."""
    modes = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}
    kinds = (("", "models.Transformer"), ("1_Pooling", "models.Pooling"), ("2_Normalize", "models.Normalize"))
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"{_MODULES}{kind}"}
        for place, (path, kind) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    for path, settings in (("1_Pooling", {"word_embedding_dimension": size, f"pooling_mode_{modes[pooling]}": True}),
                       ("2_Normalize", {})):  # fmt: skip
        (folder / path).mkdir()
        (folder / path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
