"""Repositories of tiny decoders: Qwen3, Stella's Qwen2, Llama-Nemotron and Gemma 3."""

from __future__ import annotations

from typing import Any

import vocabularies
from standin_files import (
    HEADS,
    HIDDEN,
    INNER,
    LAYERS,
    LENGTH,
    Files,
    Shapes,
    affine,
    behind,
    dense,
    drawn,
    sized,
    stored,
    together,
)

WINDOW = 12  # of Gemma's sliding layers, in its configuration


def _decoder(
    vocabulary: int, prefix: str, *, bias: bool = False, norms: tuple[str, ...], heads: bool = False
) -> Shapes:
    """Names and shapes of a decoder's tensors: two heads of keys to four of queries; `heads`: norms of each head."""
    size = HIDDEN // HEADS
    shapes: Shapes = {"embed_tokens.weight": (vocabulary, HIDDEN), "norm.weight": (HIDDEN,)}
    for layer in (f"layers.{number}" for number in range(LAYERS)):
        shapes |= affine(f"{layer}.self_attn.q_proj", HIDDEN, HIDDEN, bias=bias)
        for part in ("k_proj", "v_proj"):
            shapes |= affine(f"{layer}.self_attn.{part}", HIDDEN, HIDDEN // 2, bias=bias)
        shapes |= affine(f"{layer}.self_attn.o_proj", HIDDEN, HIDDEN, bias=False)
        shapes |= {f"{layer}.self_attn.{one}_norm.weight": (size,) for one in "qk" if heads}
        for part in ("gate_proj", "up_proj"):
            shapes |= affine(f"{layer}.mlp.{part}", HIDDEN, INNER, bias=False)
        shapes |= affine(f"{layer}.mlp.down_proj", INNER, HIDDEN, bias=False)
        shapes |= {f"{layer}.{norm}.weight": (HIDDEN,) for norm in norms}
    return {prefix + name: shape for name, shape in shapes.items()}


_NORMS = ("input_layernorm", "post_attention_layernorm")


def _decoder_config(size: int, kind: str, architecture: str, **more: Any) -> dict[str, Any]:
    return {
        "architectures": [architecture], "attention_bias": False, "attention_dropout": 0.0, "hidden_act": "silu",
        "hidden_size": HIDDEN, "initializer_range": 0.02, "intermediate_size": INNER,
        "max_position_embeddings": 32768, "model_type": kind, "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS, "num_key_value_heads": HEADS // 2, "rms_norm_eps": 1e-06, "rope_scaling": None,
        "rope_theta": 1000000, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "transformers_version": "4.51.3", "use_cache": True, "vocab_size": size, **more,
    }  # fmt: skip


def qwen3(seed: int, shards: int = 2) -> Files:
    tokenizer, size = sized(vocabularies.qwen(LENGTH))
    config = _decoder_config(
        size, "qwen3", "Qwen3ForCausalLM", bos_token_id=256, eos_token_id=256, head_dim=HIDDEN // HEADS,
        max_window_layers=LAYERS, sliding_window=None, use_sliding_window=False,
    )  # fmt: skip
    tensors = stored(drawn(_decoder(size, "", norms=_NORMS, heads=True), seed), half=True, shards=shards)
    asked = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
    prompts = {"query": asked, "document": ""}
    return together(config, tensors, tokenizer, behind("lasttoken", "2_Normalize", prompts=prompts))


def stella(seed: int) -> Files:
    tokenizer, size = sized(vocabularies.qwen(LENGTH))
    named = {"AutoModel": "modeling_qwen.Qwen2Model", "AutoModelForCausalLM": "modeling_qwen.Qwen2ForCausalLM"}
    config = _decoder_config(
        size, "qwen2", "Qwen2ForCausalLM", auto_map=named, bos_token_id=256, eos_token_id=256, is_causal=False,
        max_window_layers=LAYERS, sliding_window=131072, use_sliding_window=False, torch_dtype="float32",
        tie_word_embeddings=False,
    )  # fmt: skip
    tensors = stored(drawn(_decoder(size, "model.", bias=True, norms=_NORMS), seed), shards=2)
    head, other = (
        dense(f"2_Dense_{out}", HIDDEN, width, seed + out, bias=True) for out, width in ((1024, 40), (768, 24))
    )
    return together(config, tensors, tokenizer, behind("mean", "2_Dense_1024"), head, other)


def nemotron(seed: int, shards: int = 2) -> Files:
    tokenizer, size = sized(vocabularies.llama(LENGTH))
    code = "llama_bidirectional_model."
    named = {"AutoConfig": f"{code}LlamaBidirectionalConfig", "AutoModel": f"{code}LlamaBidirectionalModel"}
    scaling = {"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "rope_type": "llama3"}
    scaling |= {"original_max_position_embeddings": LENGTH // 2}
    config = _decoder_config(
        size, "llama_bidirec", "LlamaBidirectionalModel", auto_map=named, bos_token_id=256, eos_token_id=257,
        head_dim=HIDDEN // HEADS, mlp_bias=False, pooling="avg", pretraining_tp=1, rms_norm_eps=1e-05,
        rope_theta=500000.0, rope_scaling=scaling, temperature=0.02,
    )  # fmt: skip
    tensors = stored(drawn(_decoder(size, "", norms=_NORMS), seed), half=True, shards=shards)
    return together(config, tensors, tokenizer, behind("mean", "2_Normalize"))


def _gemma(seed: int, *, both: bool, scaling: Any = None, shards: int = 0) -> tuple[dict[str, Any], Files, Files]:
    tokenizer, size = sized(vocabularies.gemma(LENGTH, end=both))
    norms = (*_NORMS, "pre_feedforward_layernorm", "post_feedforward_layernorm")
    config = _decoder_config(
        size, "gemma3_text", "Gemma3TextModel", attn_logit_softcapping=None, bos_token_id=2, eos_token_id=1,
        final_logit_softcapping=None, head_dim=HIDDEN // HEADS, hidden_activation="gelu_pytorch_tanh",
        layer_types=["sliding_attention", "full_attention"], pad_token_id=0, query_pre_attn_scalar=16,
        rope_local_base_freq=10000.0, rope_theta=1000000.0, rope_scaling=scaling, sliding_window=WINDOW,
        use_bidirectional_attention=both, _sliding_window_pattern=2,
    )  # fmt: skip
    del config["hidden_act"], config["tie_word_embeddings"]
    tensors = drawn(_decoder(size, "", norms=norms, heads=True), seed)
    tensors = {name: array - ("norm.weight" in name) for name, array in tensors.items()}  # which Gemma adds 1 to
    return config, stored(tensors, half=not both, shards=shards), tokenizer


def kalm(seed: int) -> Files:
    scaling = {"factor": 8.0, "rope_type": "linear"}
    return together(*_gemma(seed, both=False, scaling=scaling, shards=3), behind("lasttoken", "2_Normalize"))


def embeddinggemma(seed: int) -> Files:
    heads = dense("2_Dense", HIDDEN, 64, seed, bias=False), dense("3_Dense", 64, HIDDEN, seed + 1, bias=False)
    prompts = {"query": "task: search result | query: ", "document": "title: none | text: "}
    modules = behind("mean", "2_Dense", "3_Dense", "4_Normalize", prompts=prompts)
    return together(*_gemma(seed, both=True), modules, *heads)
