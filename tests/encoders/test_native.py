"""Weights as the hub's repositories have them, in classes of transformers, against a computation written out here."""

from __future__ import annotations

import json
import math
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import gelu, layer_norm, normalize, silu

from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import factory, tokens, weights
from patent_embeddings.training import lora

pytestmark = pytest.mark.pipeline

State = dict[str, torch.Tensor]
HIDDEN, HEADS, INNER, LAYERS = 16, 2, 24, 2
HEAD = HIDDEN // HEADS
TEXTS = ["a pump", "A valve with a spring, that closes a duct", "x", "seals: two. rings"]
CODE = "raise RuntimeError('code of the repository ran')\n"

# ---- a computation in plain torch, float64: one text at a time, so that nothing is padded


def rotated(x: torch.Tensor, frequencies: torch.Tensor) -> torch.Tensor:
    """Su et al., 2021, with halves in place of pairs: [heads, tokens, head]."""
    angles = torch.arange(x.shape[1])[:, None] * frequencies[None]
    cos, sin = torch.cat([angles, angles], 1).cos(), torch.cat([angles, angles], 1).sin()
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-right, left], -1) * sin


def frequencies(base: float) -> torch.Tensor:
    return base ** -(torch.arange(0, HEAD, 2, dtype=torch.float64) / HEAD)


def ntk(base: float, factor: float) -> torch.Tensor:
    """As `NTKScalingRotaryEmbedding` of Alibaba-NLP/new-impl has it: kexue.fm/archives/9706, equation 6."""
    return frequencies(base * factor) / factor ** (2 / HEAD)


def llama3(base: float, factor: float, low: float, high: float, trained: int) -> torch.Tensor:
    """Llama 3.1's frequencies: slow ones are divided by the factor, fast ones kept, those between blended."""
    found = []
    for frequency in frequencies(base).tolist():
        turns = trained * frequency / (2 * math.pi)
        part = min(1.0, max(0.0, (turns - low) / (high - low)))
        found.append(part * frequency + (1 - part) * frequency / factor)
    return torch.tensor(found, dtype=torch.float64)


def attended(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Attention in both directions of [tokens, heads × head], with fewer heads of keys than of queries where so."""
    split = lambda x: x.view(len(x), -1, HEAD).transpose(0, 1)  # noqa: E731
    q, k, v = rotated(split(q), turns), rotated(split(k), turns), split(v)
    k, v = (x.repeat_interleave(len(q) // len(x), 0) for x in (k, v))
    shares = (q @ k.transpose(1, 2) / math.sqrt(HEAD)).softmax(-1)
    return (shares @ v).transpose(0, 1).reshape(q.shape[1], -1)


def linear(state: State, name: str, x: torch.Tensor) -> torch.Tensor:
    return x @ state[f"{name}.weight"].T + state.get(f"{name}.bias", 0)


def normed(state: State, name: str, x: torch.Tensor, epsilon: float) -> torch.Tensor:
    return layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], epsilon)


def rms(state: State, name: str, x: torch.Tensor) -> torch.Tensor:
    return x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * state[f"{name}.weight"]


def arctic(state: State, ids: list[int]) -> torch.Tensor:
    return gte({f"new.{name}": tensor for name, tensor in state.items()}, ids, frequencies(200.0))


def gte(state: State, ids: list[int], turns: torch.Tensor | None = None) -> torch.Tensor:
    turns = ntk(200.0, 8.0) if turns is None else turns
    x = state["new.embeddings.word_embeddings.weight"][ids] + state["new.embeddings.token_type_embeddings.weight"][0]
    x = normed(state, "new.embeddings.LayerNorm", x, 1e-12)
    for layer in (f"new.encoder.layer.{number}" for number in range(LAYERS)):
        q, k, v = linear(state, f"{layer}.attention.qkv_proj", x).chunk(3, -1)
        x = x + linear(state, f"{layer}.attention.o_proj", attended(q, k, v, turns))
        x = normed(state, f"{layer}.attn_ln", x, 1e-12)
        up, gate = linear(state, f"{layer}.mlp.up_gate_proj", x).chunk(2, -1)
        x = normed(state, f"{layer}.mlp_ln", x + linear(state, f"{layer}.mlp.down_proj", up * gelu(gate)), 1e-12)
    return normalize(x[0], dim=0)  # [CLS]


def nomic(state: State, ids: list[int]) -> torch.Tensor:
    x = state["embeddings.word_embeddings.weight"][ids] + state["embeddings.token_type_embeddings.weight"][0]
    x = normed(state, "emb_ln", x, 1e-12)
    for layer in (f"encoder.layers.{number}" for number in range(LAYERS)):
        q, k, v = linear(state, f"{layer}.attn.Wqkv", x).chunk(3, -1)
        x = x + linear(state, f"{layer}.attn.out_proj", attended(q, k, v, frequencies(100.0)))
        x = normed(state, f"{layer}.norm1", x, 1e-12)
        up = linear(state, f"{layer}.mlp.fc11", x) * silu(linear(state, f"{layer}.mlp.fc12", x))
        x = normed(state, f"{layer}.norm2", x + linear(state, f"{layer}.mlp.fc2", up), 1e-12)
    return x.mean(0)


def jina(state: State, ids: list[int], task: State | None = None) -> torch.Tensor:
    """With the change of every weight that a task's adapter makes: alpha over rank, times B A."""
    state = dict(state)
    for name in [name for name in task or {} if name.endswith("lora_A.weight")]:
        added = 0.5 * task[name.replace("lora_A", "lora_B")] @ task[name]  # type: ignore[index]
        layer, part = name.removeprefix("base_model.model.layers.")[0], name.split(".")[-3]
        parts = ("q_proj", "k_proj", "v_proj")
        own = f"encoder.layers.{layer}." + ("mixer.Wqkv.weight" if part in parts else f"mlp.{part}.weight")
        rows = slice(parts.index(part) * HIDDEN, (parts.index(part) + 1) * HIDDEN) if part in parts else slice(None)
        state[own] = state[own].clone()
        state[own][rows] += added
    words = state["embeddings.word_embeddings.weight"]
    if task:
        word = "base_model.model.embeddings.word_embeddings.lora_embedding_"
        words = words + 0.5 * (task[f"{word}B"] @ task[f"{word}A"]).T
    x = normed(state, "emb_ln", words[ids] + state["embeddings.token_type_embeddings.weight"][0], 1e-5)
    for layer in (f"encoder.layers.{number}" for number in range(LAYERS)):
        q, k, v = linear(state, f"{layer}.mixer.Wqkv", x).chunk(3, -1)
        x = x + linear(state, f"{layer}.mixer.out_proj", attended(q, k, v, frequencies(300.0)))
        x = normed(state, f"{layer}.norm1", x, 1e-5)
        inner = gelu(linear(state, f"{layer}.mlp.fc1", x))
        x = normed(state, f"{layer}.norm2", x + linear(state, f"{layer}.mlp.fc2", inner), 1e-5)
    return x.mean(0)


def decoder(state: State, ids: list[int], turns: torch.Tensor) -> torch.Tensor:
    """Llama and Qwen2, [tokens, hidden]."""
    x = state["embed_tokens.weight"][ids]
    for layer in (f"layers.{number}" for number in range(LAYERS)):
        y = rms(state, f"{layer}.input_layernorm", x)
        q, k, v = (linear(state, f"{layer}.self_attn.{part}_proj", y) for part in "qkv")
        x = x + linear(state, f"{layer}.self_attn.o_proj", attended(q, k, v, turns))
        y = rms(state, f"{layer}.post_attention_layernorm", x)
        up = silu(linear(state, f"{layer}.mlp.gate_proj", y)) * linear(state, f"{layer}.mlp.up_proj", y)
        x = x + linear(state, f"{layer}.mlp.down_proj", up)
    return rms(state, "norm", x)


def llama(state: State, ids: list[int]) -> torch.Tensor:
    return normalize(decoder(state, ids, llama3(500.0, 8.0, 1.0, 4.0, 32)).mean(0), dim=0)


def stella(state: State, ids: list[int]) -> torch.Tensor:
    own = {name.removeprefix("model."): tensor for name, tensor in state.items()}
    return linear(state, "head", decoder(own, ids, frequencies(1000.0)).mean(0))


def qwen(state: State, ids: list[int]) -> torch.Tensor:
    return decoder(state, ids, frequencies(1000.0))[-1]


# ---- the same weights, written as the hub's repositories have them


def drawn(shapes: dict[str, tuple[int, ...]], seed: int = 0, spread: float = 0.3) -> State:
    """Random tensors; norms are near one."""
    generator = torch.Generator().manual_seed(seed)
    found = {name: spread * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    norms = [name for name in found if len(shapes[name]) == 1 and name.endswith("weight")]
    return found | {name: 1 + found[name] for name in norms}


def wide(state: State) -> State:
    return {name: tensor.double() for name, tensor in state.items()}


def put(folder: Path, state: State, config: dict[str, Any], modules: list[tuple[str, str, dict[str, Any]]]) -> Path:
    """A repository: `config.json`, weights, a module that must not run, and folders of modules."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modeling.py").write_text(CODE)
    save_file({name: tensor for name, tensor in state.items() if not name.startswith("head.")}, folder / "model.safetensors", metadata={"format": "pt"})  # fmt: skip # noqa: E501
    listed = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    for number, (kind, path, told) in enumerate(modules, start=1):
        listed.append(
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        )
        (folder / path).mkdir()
        (folder / path / "config.json").write_text(json.dumps(told))
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 64, "do_lower_case": False}))
    return folder


def pooling(mode: str) -> tuple[str, str, dict[str, Any]]:
    modes = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "lasttoken")
    told = {f"pooling_mode_{one}": one == mode for one in modes}
    return "Pooling", "1_Pooling", {"word_embedding_dimension": HIDDEN, **told}


def lettered(folder: Path, first: str, last: str, **told: Any) -> int:
    """A tokenizer of one token a letter, between a first and a last one; how many tokens it knows."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

    letters = sorted(set("".join(TEXTS)))
    vocabulary = {token: number for number, token in enumerate([first, "<pad>", last, "<unk>", *letters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=[(first, 0), (last, 2)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "unk_token": "<unk>", **told}
    (folder / "tokenizer_config.json").write_text(json.dumps(told | {"model_max_length": 64}))
    return len(vocabulary)


def byte_pairs(folder: Path) -> int:
    """Qwen2's tokenizer as gte-Qwen2's repository has it: read by code of its own, that adds an end token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    end = "<|endoftext|>"
    told = {
        "tokenizer_class": "Qwen2Tokenizer", "pad_token": end, "eos_token": end, "add_eos_token": True,
        "auto_map": {"AutoTokenizer": ["modeling.Qwen2Tokenizer", "modeling.Qwen2TokenizerFast"]},
        "model_max_length": 64,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return len(alphabet) + 1


def affine(name: str, out: int, into: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def norm(name: str) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (HIDDEN,), f"{name}.bias": (HIDDEN,)}


AUTO = {"AutoConfig": "modeling.Config", "AutoModel": "modeling.Model"}


def gte_repository(folder: Path) -> State:
    words = lettered(folder.with_name("tokens"), "<s>", "</s>")
    shapes: dict[str, tuple[int, ...]] = {
        "new.embeddings.word_embeddings.weight": (words, HIDDEN),
        "new.embeddings.token_type_embeddings.weight": (1, HIDDEN), **norm("new.embeddings.LayerNorm"),
        **affine("classifier", 1, HIDDEN),
    }  # fmt: skip
    for layer in (f"new.encoder.layer.{number}" for number in range(LAYERS)):
        shapes |= affine(f"{layer}.attention.qkv_proj", 3 * HIDDEN, HIDDEN) | norm(f"{layer}.attn_ln")
        shapes |= affine(f"{layer}.attention.o_proj", HIDDEN, HIDDEN) | norm(f"{layer}.mlp_ln")
        shapes |= {f"{layer}.mlp.up_gate_proj.weight": (2 * INNER, HIDDEN)}
        shapes |= affine(f"{layer}.mlp.down_proj", HIDDEN, INNER)
    config = {
        "architectures": ["NewModel", "NewForTokenClassification"], "model_type": "new", "auto_map": AUTO,
        "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0, "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1, "hidden_size": HIDDEN, "id2label": {"0": "LABEL_0"}, "initializer_range": 0.02,
        "intermediate_size": INNER, "label2id": {"LABEL_0": 0}, "layer_norm_eps": 1e-12,
        "layer_norm_type": "layer_norm", "logn_attention_clip1": False, "logn_attention_scale": False,
        "max_position_embeddings": 64, "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "pack_qkv": True,
        "pad_token_id": 1, "position_embedding_type": "rope", "rope_scaling": {"factor": 8.0, "type": "ntk"},
        "rope_theta": 200, "torch_dtype": "float16", "transformers_version": "4.39.1", "type_vocab_size": 1,
        "unpad_inputs": False, "use_memory_efficient_attention": False, "vocab_size": words,
    }  # fmt: skip
    state = drawn(shapes)
    put(folder, state, config, [pooling("cls_token"), ("Normalize", "2_Normalize", {})])
    return state


def arctic_repository(folder: Path) -> State:
    """Of the same code, without a prefix and without scaled positions."""
    state = {name.removeprefix("new."): tensor for name, tensor in gte_repository(folder).items()}
    state = {name: tensor for name, tensor in state.items() if not name.startswith("classifier")}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    told = json.loads((folder / "config.json").read_text())
    told |= {"model_type": "gte", "architectures": ["GteModel"], "rope_scaling": None, "matryoshka_dimensions": [8]}
    (folder / "config.json").write_text(json.dumps(told))
    return state


def nomic_repository(folder: Path) -> State:
    words = lettered(folder.with_name("tokens"), "[CLS]", "[SEP]")
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (words, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN), **norm("emb_ln"),
    }  # fmt: skip
    for layer in (f"encoder.layers.{number}" for number in range(LAYERS)):
        shapes |= {f"{layer}.attn.Wqkv.weight": (3 * HIDDEN, HIDDEN), f"{layer}.attn.out_proj.weight": (HIDDEN, HIDDEN)}
        shapes |= {f"{layer}.mlp.{part}.weight": (INNER, HIDDEN) for part in ("fc11", "fc12")}
        shapes |= {f"{layer}.mlp.fc2.weight": (HIDDEN, INNER)} | norm(f"{layer}.norm1") | norm(f"{layer}.norm2")
    config = {
        "activation_function": "swiglu", "architectures": ["NomicBertModel"], "attn_pdrop": 0.0, "auto_map": AUTO,
        "bos_token_id": None, "causal": False, "dense_seq_output": True, "embd_pdrop": 0.0, "eos_token_id": None,
        "fused_bias_fc": True, "fused_dropout_add_ln": True, "initializer_range": 0.02, "layer_norm_epsilon": 1e-12,
        "max_trained_positions": 32, "mlp_fc1_bias": False, "mlp_fc2_bias": False, "model_type": "nomic_bert",
        "n_embd": HIDDEN, "n_head": HEADS, "n_inner": INNER, "n_layer": LAYERS, "n_positions": 64, "num_experts": 0,
        "pad_vocab_size_multiple": 64, "parallel_block": False, "prenorm": False, "qkv_proj_bias": False,
        "reorder_and_upcast_attn": False, "resid_pdrop": 0.0, "rotary_emb_base": 100, "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False, "rotary_emb_scale_base": None, "rotary_scaling_factor": None,
        "scale_attn_by_inverse_layer_idx": False, "scale_attn_weights": True, "summary_activation": None,
        "summary_first_dropout": 0.0, "summary_proj_to_labels": True, "summary_type": "cls_index",
        "summary_use_proj": True, "torch_dtype": "float32", "transformers_version": "4.37.2", "type_vocab_size": 2,
        "use_cache": True, "use_flash_attn": True, "use_rms_norm": False, "use_xentropy": True, "vocab_size": words,
    }  # fmt: skip
    state = drawn(shapes)
    put(folder, state, config, [pooling("mean_tokens")])
    return state


def jina_repository(folder: Path) -> State:
    words = lettered(folder.with_name("tokens"), "<s>", "</s>")
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (words, HIDDEN),
        "embeddings.token_type_embeddings.weight": (1, HIDDEN), **norm("emb_ln"),
    }  # fmt: skip
    for layer in (f"encoder.layers.{number}" for number in range(LAYERS)):
        shapes |= affine(f"{layer}.mixer.Wqkv", 3 * HIDDEN, HIDDEN) | affine(f"{layer}.mixer.out_proj", HIDDEN, HIDDEN)
        shapes |= affine(f"{layer}.mlp.fc1", INNER, HIDDEN) | affine(f"{layer}.mlp.fc2", HIDDEN, INNER)
        shapes |= norm(f"{layer}.norm1") | norm(f"{layer}.norm2")
    config = {
        "architectures": ["JinaEmbeddingsV3Model"], "model_type": "jina_embeddings_v3", "hidden_size": HIDDEN,
        "intermediate_size": INNER, "layer_norm_eps": 1e-5, "max_position_embeddings": 66,
        "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "pad_token_id": 1, "type_vocab_size": 1,
        "rope_parameters": {"rope_theta": 300.0, "rope_type": "default"}, "vocab_size": words,
    }  # fmt: skip
    state = drawn(shapes)
    put(folder, state, config, [pooling("mean_tokens")])
    for seed, task in enumerate(("retrieval_query", "retrieval_passage", "classification", "separation"), start=7):
        (folder / task).mkdir()
        save_file(adapter(seed, words), folder / task / "adapter_model.safetensors")
        told = {
            "peft_type": "LORA", "r": 4, "lora_alpha": 2, "bias": "none", "base_model_name_or_path": "jinaai/x",
            "target_modules": ["q_proj", "k_proj", "v_proj", "fc1", "fc2", "word_embeddings"],
        }  # fmt: skip
        (folder / task / "adapter_config.json").write_text(json.dumps(told))
    return state


def adapter(seed: int, words: int) -> State:
    """A task's adapter of rank 4, in peft's names."""
    start, shapes = "base_model.model.", {}
    for layer in range(LAYERS):
        for part, out, into in (
            ("fc1", INNER, HIDDEN),
            ("fc2", HIDDEN, INNER),
            *((f"{x}_proj", HIDDEN, HIDDEN) for x in "qkv"),
        ):
            at = f"{start}layers.{layer}.{'mlp' if part.startswith('fc') else 'self_attn'}.{part}"
            shapes |= {f"{at}.lora_A.weight": (4, into), f"{at}.lora_B.weight": (out, 4)}
    word = f"{start}embeddings.word_embeddings.lora_embedding_"
    return drawn({**shapes, f"{word}A": (4, words), f"{word}B": (HIDDEN, 4)}, seed)


def decoder_shapes(words: int, kept: int, *, bias: bool, prefix: str = "") -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        f"{prefix}embed_tokens.weight": (words, HIDDEN),
        f"{prefix}norm.weight": (HIDDEN,),
    }
    for layer in (f"{prefix}layers.{number}" for number in range(LAYERS)):
        for part, rows in (("q", HIDDEN), ("k", kept), ("v", kept)):
            named = affine(f"{layer}.self_attn.{part}_proj", rows, HIDDEN)
            shapes |= named if bias else {name: shape for name, shape in named.items() if name.endswith("weight")}
        shapes |= {
            f"{layer}.self_attn.o_proj.weight": (HIDDEN, HIDDEN),
            f"{layer}.mlp.down_proj.weight": (HIDDEN, INNER),
        }
        shapes |= {f"{layer}.mlp.{part}_proj.weight": (INNER, HIDDEN) for part in ("gate", "up")}
        shapes |= {f"{layer}.{part}_layernorm.weight": (HIDDEN,) for part in ("input", "post_attention")}
    return shapes


SIZES = {
    "hidden_act": "silu", "hidden_size": HIDDEN, "intermediate_size": INNER, "initializer_range": 0.02,
    "max_position_embeddings": 64, "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "rms_norm_eps": 1e-6,
    "attention_dropout": 0.0, "use_cache": True, "torch_dtype": "bfloat16", "transformers_version": "4.44.2",
    "auto_map": AUTO,
}  # fmt: skip


def llama_repository(folder: Path) -> State:
    words = lettered(folder.with_name("tokens"), "<|begin_of_text|>", "<|end|>", padding_side="left")
    config = {
        **SIZES, "architectures": ["LlamaBidirectionalModel"], "model_type": "llama_bidirec", "pooling": "avg",
        "temperature": 0.02, "num_key_value_heads": 1, "rope_theta": 500.0, "vocab_size": words, "mlp_bias": False,
        "attention_bias": False, "pretraining_tp": 1, "bos_token_id": 0, "eos_token_id": 2, "head_dim": HEAD,
        "tie_word_embeddings": False, "rope_scaling": {
            "factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 32,
            "rope_type": "llama3",
        },
    }  # fmt: skip
    state = drawn(decoder_shapes(words, HEAD, bias=False))
    put(folder, state, config, [pooling("mean_tokens"), ("Normalize", "2_Normalize", {})])
    return state


QWEN = {
    **SIZES, "architectures": ["Qwen2Model"], "model_type": "qwen2", "num_key_value_heads": 1, "rope_theta": 1000.0,
    "max_window_layers": 21, "sliding_window": 131072, "use_sliding_window": False, "tie_word_embeddings": False,
    "bos_token_id": 256, "eos_token_id": 256, "is_causal": False,
}  # fmt: skip


def stella_repository(folder: Path) -> State:
    (tokenizer := folder.with_name("tokens")).mkdir()
    words = byte_pairs(tokenizer)
    state = drawn(decoder_shapes(words, HEAD, bias=True, prefix="model.") | affine("head", 8, HIDDEN))
    told = {
        "in_features": HIDDEN,
        "out_features": 8,
        "bias": True,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    put(folder, state, {**QWEN, "vocab_size": words}, [pooling("mean_tokens"), ("Dense", "2_Dense", told)])
    head = {f"linear.{part}": state[f"head.{part}"] for part in ("weight", "bias")}
    save_file(head, folder / "2_Dense" / "model.safetensors")
    return state


def qwen_repository(folder: Path) -> State:
    (tokenizer := folder.with_name("tokens")).mkdir()
    words = byte_pairs(tokenizer)
    state = drawn(decoder_shapes(words, HEAD, bias=True))
    put(folder, state, {**QWEN, "vocab_size": words}, [pooling("lasttoken")])
    return state


TASKS = {
    "query": "retrieval.query", "document": "retrieval.passage", "classification": "classification",
    "clustering": "separation",
}  # fmt: skip
Direct = Callable[..., torch.Tensor]
CASES: dict[str, tuple[Callable[[Path], State], Direct, dict[str, Any]]] = {
    "gte": (gte_repository, gte, {"native": "gte", "pooling": "cls", "left_out": ["classifier", "pooler"]}),
    "arctic": (arctic_repository, arctic, {"native": "gte", "pooling": "cls", "left_out": ["pooler"]}),
    "nomic": (nomic_repository, nomic, {"native": "nomic-bert", "left_out": ["pooler"]}),
    "jina": (jina_repository, jina, {"tasks": TASKS, "left_out": ["pooler"]}),
    "llama": (llama_repository, llama, {"native": "llama-both-directions", "padding": "left"}),
    "stella": (stella_repository, stella, {"native": "qwen2-both-directions", "head": True, "dimension": 8}),
    "qwen": (qwen_repository, qwen, {"native": "qwen2-both-directions", "pooling": "last", "padding": "left"}),
}


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, State]]:
    """A folder of each case, as the hub has it, and its weights in float64."""
    made = {}
    for name, (write, _, _) in CASES.items():
        folder = tmp_path_factory.mktemp(name) / "repository"
        state = write(folder)
        for file in folder.with_name("tokens").iterdir():
            file.rename(folder / file.name)
        made[name] = folder, wide(state)
    return made


def load(name: str, folder: Path, **changes: Any) -> Any:
    return factory.encoder(tiny.entry(folder, **{**CASES[name][2], **changes}))


def direct(name: str, repository: tuple[Path, State], encoder: Any, texts: list[str]) -> np.ndarray:
    """Vectors of documents by the computation above."""
    folder, state = repository
    more = [wide(load_file(folder / "retrieval_passage" / "adapter_model.safetensors"))] if name == "jina" else []
    ids = [encoder.tokenizer(text)["input_ids"] for text in texts]
    return np.stack([CASES[name][1](state, one, *more).numpy() for one in ids])


@pytest.mark.parametrize("name", CASES)
def test_vectors_are_those_of_the_computation_written_out(
    repositories: dict[str, tuple[Path, State]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(weights.CONSENT, raising=False)
    encoder = load(name, repositories[name][0])
    expected = direct(name, repositories[name], encoder, TEXTS)
    assert np.abs(encoder.encode(TEXTS, "document") - expected).max() < 1e-5
    for text, vector in zip(TEXTS, expected, strict=True):
        assert np.abs(encoder.encode([text], "document")[0] - vector).max() < 1e-5
    assert np.ptp(expected, axis=0).max() > 0.1


def causal(network: Any) -> None:
    network.config.is_causal = True  # of decoders
    for module in network.modules():
        if hasattr(module, "is_causal"):
            module.is_causal = True  # of encoders, where nothing is padded


def other_base(network: Any) -> None:
    network.rotary_emb.inv_freq.mul_(0.8)


@pytest.mark.parametrize("fault", [causal, other_base])
@pytest.mark.parametrize("name", CASES)
def test_a_fault_in_the_network_shows(
    repositories: dict[str, tuple[Path, State]], name: str, fault: Callable[[Any], None]
) -> None:
    encoder = load(name, repositories[name][0])
    fault(encoder.network)
    assert (
        np.abs(encoder.encode([TEXTS[1]], "document") - direct(name, repositories[name], encoder, [TEXTS[1]])).max()
        > 1e-3
    )


def test_each_side_has_the_adapter_of_its_task(
    repositories: dict[str, tuple[Path, State]], capfd: pytest.CaptureFixture[str]
) -> None:
    folder, state = repositories["jina"]
    capfd.readouterr()
    encoder = load("jina", folder)
    assert "".join(capfd.readouterr()) == ""
    ids = encoder.tokenizer(TEXTS[1])["input_ids"]
    for side, task in TASKS.items():
        own = wide(load_file(folder / task.replace(".", "_") / "adapter_model.safetensors"))
        assert np.abs(encoder.encode([TEXTS[1]], side)[0] - jina(state, ids, own).numpy()).max() < 1e-5
    assert np.abs(jina(state, ids, own) - jina(state, ids)).max() > 0.1


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("retrieval_query/adapter_model.safetensors", None, "lacks retrieval_query/adapter_model.safetensors"),
        ("separation/adapter_model.safetensors", {"fc1": torch.nan}, "not all numbers: .*separation.* holds NaN"),
        ("separation/adapter_model.safetensors", {"layers.1": None}, "is of another network"),
    ],
)
def test_an_adapter_of_a_task_is_whole_or_refused(
    repositories: dict[str, tuple[Path, State]], tmp_path: Path, file: str, change: Any, said: str
) -> None:
    folder = shutil.copytree(repositories["jina"][0], tmp_path / "altered")
    state = load_file(folder / file)
    (folder / file).unlink()
    for piece, value in (change or {}).items():
        touched = {name: tensor for name, tensor in state.items() if piece in name}
        others = {name: tensor for name, tensor in state.items() if piece not in name}
        save_file(others | ({} if value is None else {n: t * value for n, t in touched.items()}), folder / file)
    with pytest.raises(UserError, match=said):
        load("jina", folder)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("gte", {"rope_scaling": {"type": "yarn", "factor": 2.0}}, "`rope_scaling: .*yarn"),
        ("gte", {"rope_scaling": {"type": "ntk", "factor": 8.0, "mixed_b": 0.5}}, "`rope_scaling: .*mixed_b"),
        ("gte", {"layer_norm_type": "rms_norm"}, '`layer_norm_type: "rms_norm"`'),
        ("gte", {"logn_attention_scale": True}, "`logn_attention_scale: true`"),
        ("gte", {"hidden_act": "relu"}, '`hidden_act: "relu"`'),
        ("nomic", {"rotary_emb_fraction": 0.5}, "`rotary_emb_fraction: 0.5`"),
        ("nomic", {"rotary_scaling_factor": 2}, "`rotary_scaling_factor: 2`"),
        ("nomic", {"activation_function": "gelu"}, '`activation_function: "gelu"`'),
        ("nomic", {"prenorm": True}, "`prenorm: true`"),
        ("nomic", {"num_experts": 8}, "`num_experts: 8`"),
        ("llama", {"pooling": "weighted_avg"}, '`pooling: "weighted_avg"`'),
        ("llama", {"a_new_switch": 3}, "`a_new_switch: 3`"),
        ("stella", {"use_sliding_window": True}, "`use_sliding_window: true`"),
        ("stella", {"is_causal": True}, "`is_causal: true`"),
    ],
)
def test_what_a_class_cannot_do_is_refused(
    repositories: dict[str, tuple[Path, State]], tmp_path: Path, name: str, change: dict[str, Any], said: str
) -> None:
    folder = shutil.copytree(repositories[name][0], tmp_path / "altered")
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(told | change))
    with pytest.raises(UserError, match=f"config.json says {said}.*, which `native: .*` of its entry cannot do"):
        load(name, folder)


def test_a_repository_s_own_module_is_refused(repositories: dict[str, tuple[Path, State]], tmp_path: Path) -> None:
    folder = shutil.copytree(repositories["nomic"][0], tmp_path / "altered")
    listed = (folder / "modules.json").read_text()
    (folder / "modules.json").write_text(listed.replace("sentence_transformers.models.Pooling", "modeling.Pooling"))
    with pytest.raises(UserError, match=r"names code of its own, modeling\.Pooling"):
        load("nomic", folder)


@pytest.mark.parametrize("name", CASES)
def test_every_linear_layer_is_tuned(repositories: dict[str, tuple[Path, State]], name: str, tmp_path: Path) -> None:
    """One step, its adapter written, and put on again: the same vectors, beside a task's adapter too."""
    folder = repositories[name][0]
    encoder = (
        load(name, folder)
        if name != "jina"
        else factory.encoder(tiny.entry(folder, **CASES[name][2]), frozen="float32")
    )
    linears = sum(isinstance(module, torch.nn.Linear) for module in encoder.network.modules())
    torch.manual_seed(0)
    lora.add(encoder.model, 2)
    found = encoder.model(encoder.prepare(TEXTS, "document"))["sentence_embedding"]
    found.pow(2)[:, 0].sum().backward()
    trained = {key: each for key, each in encoder.network.named_parameters() if "lora_B" in key}
    pooled = sum("pooler" in key for key in trained)
    assert len(trained) == linears == LAYERS * (6 if name == "jina" else 7) + pooled
    with torch.no_grad():
        for key, each in trained.items():
            if "pooler" not in key:  # which is not read
                assert each.grad is not None and each.grad.abs().max() > 0, key
                each -= 0.1 * each.grad
    out = tmp_path / "adapter"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lora.save(encoder.model, encoder.entry, out)
    tuned = encoder.model(encoder.prepare(TEXTS, "document"))["sentence_embedding"].detach().numpy()
    again = factory.encoder(tiny.entry(folder, **{**CASES[name][2], "tasks": None}), adapter=out)
    assert np.abs(again.encode(TEXTS, "document") - tuned).max() < 1e-5


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.1)])
def test_a_recipe_s_adapter_is_added_to_that_of_the_task(
    repositories: dict[str, tuple[Path, State]], tmp_path: Path, dtype: str, tolerance: float
) -> None:
    """Merged in float32, beside the frozen weights in bfloat16."""
    folder, state = repositories["jina"]
    encoder = factory.encoder(tiny.entry(folder, **CASES["jina"][2]), frozen="float32")
    torch.manual_seed(0)
    lora.add(encoder.model, 2)
    with torch.no_grad():
        for key, each in encoder.network.named_parameters():
            if "lora_B" in key:
                each.normal_(0, 0.2)
    lora.save(encoder.model, encoder.entry, tmp_path / "adapter")
    ours = wide(load_file(tmp_path / "adapter" / "adapter_model.safetensors"))
    task = wide(load_file(folder / "retrieval_query" / "adapter_model.safetensors"))
    both = dict(state)
    for layer in range(LAYERS):
        at, to = f"base_model.model.layers.{layer}", f"encoder.layers.{layer}"
        delta = lambda part, at=at: 2 * ours[f"{at}.{part}.lora_B.weight"] @ ours[f"{at}.{part}.lora_A.weight"]  # noqa: E731
        both[f"{to}.mixer.Wqkv.weight"] = both[f"{to}.mixer.Wqkv.weight"] + torch.cat(
            [delta(f"self_attn.{x}_proj") for x in "qkv"]
        )
        both[f"{to}.mixer.out_proj.weight"] = both[f"{to}.mixer.out_proj.weight"] + delta("self_attn.o_proj")
        for part in ("mlp.fc1", "mlp.fc2"):
            both[f"{to}.{part}.weight"] = both[f"{to}.{part}.weight"] + delta(part)
    tuned = factory.encoder(
        tiny.entry(folder, **CASES["jina"][2]), adapter=tmp_path / "adapter", dtype=dtype, tested=False
    )
    expected = jina(both, tuned.tokenizer(TEXTS[1])["input_ids"], task).numpy()
    assert np.abs(tuned.encode([TEXTS[1]], "query")[0] - expected).max() < tolerance
    plain = jina(state, tuned.tokenizer(TEXTS[1])["input_ids"], task).numpy()
    assert np.abs(plain - expected).max() > 3 * tolerance


def test_tokens_are_what_the_repository_s_own_code_gives(repositories: dict[str, tuple[Path, State]]) -> None:
    for name in ("stella", "qwen"):
        entry = tiny.entry(repositories[name][0], **CASES[name][2])
        for tokenizer in (load(name, repositories[name][0]).tokenizer, tokens.tokenizer(entry)):
            alphabet = json.loads((repositories[name][0] / "tokenizer.json").read_text())["model"]["vocab"]
            assert tokenizer("a pump")["input_ids"] == [alphabet[letter] for letter in "aĠpump"] + [256]
    assert load("llama", repositories["llama"][0]).tokenizer("x")["input_ids"][0] == 0
