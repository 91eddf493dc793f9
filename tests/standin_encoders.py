"""Repositories of tiny encoders: BERT, XLM-RoBERTa, MPNet, those with rotary positions, and ColBERT's on them."""

from __future__ import annotations

from typing import Any

import numpy as np
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
    as_json,
    behind,
    dense,
    drawn,
    scaled,
    sized,
    stored,
    together,
)


def bert(vocabulary: int, *, pooler: bool = True, prefix: str = "", types: int = 2, positions: int = LENGTH) -> Shapes:
    """Names and shapes of BERT's and XLM-RoBERTa's tensors."""
    shapes: Shapes = {
        "embeddings.word_embeddings.weight": (vocabulary, HIDDEN),
        "embeddings.position_embeddings.weight": (positions, HIDDEN),
        "embeddings.token_type_embeddings.weight": (types, HIDDEN),
        **scaled("embeddings.LayerNorm", HIDDEN),
    }
    for layer in (f"encoder.layer.{number}" for number in range(LAYERS)):
        for part in ("query", "key", "value"):
            shapes |= affine(f"{layer}.attention.self.{part}", HIDDEN, HIDDEN)
        shapes |= affine(f"{layer}.attention.output.dense", HIDDEN, HIDDEN)
        shapes |= scaled(f"{layer}.attention.output.LayerNorm", HIDDEN)
        shapes |= affine(f"{layer}.intermediate.dense", HIDDEN, INNER) | affine(f"{layer}.output.dense", INNER, HIDDEN)
        shapes |= scaled(f"{layer}.output.LayerNorm", HIDDEN)
    shapes |= affine("pooler.dense", HIDDEN, HIDDEN) if pooler else {}
    return {prefix + name: shape for name, shape in shapes.items()}


def bert_config(vocabulary: int, kind: str = "bert", architecture: str = "BertModel", **more: Any) -> dict[str, Any]:
    return {
        "architectures": [architecture], "attention_probs_dropout_prob": 0.1, "gradient_checkpointing": False,
        "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": HIDDEN, "initializer_range": 0.02,
        "intermediate_size": INNER, "layer_norm_eps": 1e-12, "max_position_embeddings": LENGTH, "model_type": kind,
        "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "pad_token_id": 0,
        "position_embedding_type": "absolute", "transformers_version": "4.8.2", "type_vocab_size": 2,
        "use_cache": True, "vocab_size": vocabulary, **more,
    }  # fmt: skip


def numbered(prefix: str = "", length: int = LENGTH) -> dict[str, np.ndarray]:
    """A buffer that transformers of before 2023 saved beside the weights."""
    return {f"{prefix}embeddings.position_ids": np.arange(length, dtype=np.int64)[None]}


def minilm(seed: int) -> Files:
    tokenizer, size = sized(vocabularies.wordpiece(LENGTH))
    tensors = stored({**drawn(bert(size), seed), **numbered()})
    return together(bert_config(size), tensors, tokenizer, behind("mean", "2_Normalize"))


def headed(seed: int, width: int) -> Files:
    """BERT with a dense layer behind its pooling, of patembed and Conan."""
    tokenizer, size = sized(vocabularies.wordpiece(LENGTH))
    head = dense("2_Dense", HIDDEN, width, seed, bias=True)
    tensors = stored(drawn(bert(size), seed))
    return together(bert_config(size), tensors, tokenizer, behind("mean", "2_Dense"), head)


def xlmr_config(size: int, architecture: str = "XLMRobertaModel", **more: Any) -> dict[str, Any]:
    own = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1, "output_past": True, "type_vocab_size": 1}
    own |= {"layer_norm_eps": 1e-5, "max_position_embeddings": LENGTH + 2, **more}
    return bert_config(size, "xlm-roberta", architecture, **own)


def me5(seed: int) -> Files:
    tokenizer, size = sized(vocabularies.unigram(LENGTH))
    shapes = bert(size, types=1, positions=LENGTH + 2)
    tensors = stored({**drawn(shapes, seed), **numbered(length=LENGTH + 2)})
    return together(xlmr_config(size), tensors, tokenizer, behind("mean", "2_Normalize"))


def bge(seed: int) -> Files:
    tokenizer, size = sized(vocabularies.unigram(LENGTH))
    tensors = stored(drawn(bert(size, types=1, positions=LENGTH + 2), seed), pickled=True)
    return together(xlmr_config(size), tensors, tokenizer, behind("cls", "2_Normalize"))


def patentsberta(seed: int) -> Files:
    tokenizer, size = sized(vocabularies.mpnet(LENGTH))
    shapes: Shapes = {
        "embeddings.word_embeddings.weight": (size, HIDDEN),
        "embeddings.position_embeddings.weight": (LENGTH + 2, HIDDEN),
        **scaled("embeddings.LayerNorm", HIDDEN),
    }
    for layer in (f"encoder.layer.{number}" for number in range(LAYERS)):
        for part in "qkvo":
            shapes |= affine(f"{layer}.attention.attn.{part}", HIDDEN, HIDDEN)
        shapes |= scaled(f"{layer}.attention.LayerNorm", HIDDEN)
        shapes |= affine(f"{layer}.intermediate.dense", HIDDEN, INNER) | affine(f"{layer}.output.dense", INNER, HIDDEN)
        shapes |= scaled(f"{layer}.output.LayerNorm", HIDDEN)
    shapes |= {"encoder.relative_attention_bias.weight": (32, HEADS), **affine("pooler.dense", HIDDEN, HIDDEN)}
    config = bert_config(size, "mpnet", "MPNetModel", relative_attention_num_buckets=32, bos_token_id=0)
    config |= {"eos_token_id": 2, "pad_token_id": 1, "layer_norm_eps": 1e-5, "max_position_embeddings": LENGTH + 2}
    tensors = stored({**drawn(shapes, seed), **numbered(length=LENGTH + 2)})
    return together(config, tensors, tokenizer, behind("cls"))


# Encoders with rotary positions


def gte(seed: int, *, prefix: str = "new.", scaled_positions: bool = True) -> Files:
    """mGTE's code under a prefix, and Snowflake's under none, without scaled positions."""
    tokenizer, size = sized(vocabularies.unigram(LENGTH))
    shapes: Shapes = {
        "embeddings.word_embeddings.weight": (size, HIDDEN),
        "embeddings.token_type_embeddings.weight": (1, HIDDEN),
        **scaled("embeddings.LayerNorm", HIDDEN),
    }
    for layer in (f"encoder.layer.{number}" for number in range(LAYERS)):
        shapes |= affine(f"{layer}.attention.qkv_proj", HIDDEN, 3 * HIDDEN)
        shapes |= affine(f"{layer}.attention.o_proj", HIDDEN, HIDDEN)
        shapes |= affine(f"{layer}.mlp.up_gate_proj", HIDDEN, 2 * INNER, bias=False)
        shapes |= affine(f"{layer}.mlp.down_proj", INNER, HIDDEN)
        shapes |= scaled(f"{layer}.attn_ln", HIDDEN) | scaled(f"{layer}.mlp_ln", HIDDEN)
    shapes |= affine("pooler.dense", HIDDEN, HIDDEN)
    shapes = {f"{prefix}{name}": shape for name, shape in shapes.items()}
    shapes |= affine("classifier", HIDDEN, 1) if prefix else {}
    code = "Alibaba-NLP/new-impl--"
    config = {
        "architectures": ["NewForTokenClassification"], "attention_probs_dropout_prob": 0.0,
        "auto_map": {
            "AutoConfig": f"{code}configuration.NewConfig", "AutoModel": f"{code}modeling.NewModel",
            "AutoModelForTokenClassification": f"{code}modeling.NewForTokenClassification",
        },
        "classifier_dropout": 0.0, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": HIDDEN,
        "id2label": {"0": "LABEL_0"}, "initializer_range": 0.02, "intermediate_size": INNER,
        "label2id": {"LABEL_0": 0}, "layer_norm_eps": 1e-12, "layer_norm_type": "layer_norm",
        "logn_attention_clip1": False, "logn_attention_scale": False, "max_position_embeddings": LENGTH,
        "model_type": "new", "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "pack_qkv": True,
        "pad_token_id": 1, "position_embedding_type": "rope", "rope_scaling": {"factor": 8.0, "type": "ntk"},
        "rope_theta": 20000, "torch_dtype": "float16", "transformers_version": "4.39.1", "type_vocab_size": 1,
        "unpad_inputs": False, "use_memory_efficient_attention": False, "vocab_size": size,
    }  # fmt: skip
    if not scaled_positions:
        config |= {"architectures": ["GteModel"], "model_type": "gte", "rope_scaling": None}
        config |= {"matryoshka_dimensions": [8]}
    return together(config, stored(drawn(shapes, seed)), tokenizer, behind("cls", "2_Normalize"))


def arctic(seed: int) -> Files:
    return gte(seed, prefix="", scaled_positions=False)


def nomic(seed: int) -> Files:
    tokenizer, size = sized(vocabularies.unigram(LENGTH), whole=64)
    experts = 8
    shapes: Shapes = {
        "embeddings.word_embeddings.weight": (size, HIDDEN),
        "embeddings.token_type_embeddings.weight": (1, HIDDEN),
        **scaled("emb_ln", HIDDEN),
    }
    for number in range(LAYERS):
        layer = f"encoder.layers.{number}"
        shapes |= affine(f"{layer}.attn.Wqkv", HIDDEN, 3 * HIDDEN) | affine(f"{layer}.attn.out_proj", HIDDEN, HIDDEN)
        if number % 2:
            shapes |= affine(f"{layer}.mlp.router.layer", HIDDEN, experts, bias=False)
            shapes |= {f"{layer}.mlp.experts.mlp.{one}": (experts * INNER, HIDDEN) for one in ("w1", "w2")}
            shapes |= {f"{layer}.mlp.experts.bias": (HIDDEN,)}
        else:
            shapes |= affine(f"{layer}.mlp.fc1", HIDDEN, INNER) | affine(f"{layer}.mlp.fc2", INNER, HIDDEN)
        shapes |= scaled(f"{layer}.norm1", HIDDEN) | scaled(f"{layer}.norm2", HIDDEN)
    code = "nomic-ai/nomic-bert-2048--"
    config = {
        "activation_function": "gelu", "add_pooling_layer": False, "architectures": ["NomicBertModel"],
        "attn_pdrop": 0.0,
        "auto_map": {
            "AutoConfig": f"{code}configuration_hf_nomic_bert.NomicBertConfig",
            "AutoModel": f"{code}modeling_hf_nomic_bert.NomicBertModel",
        },
        "bos_token_id": None, "causal": False, "dense_seq_output": True, "embd_pdrop": 0.1, "eos_token_id": None,
        "expert_choice_router": False, "ffn_div": 1, "fused_bias_fc": True, "fused_dropout_add_ln": True,
        "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "max_trained_positions": 2048,
        "mlp_fc1_bias": True, "mlp_fc2_bias": True, "model_type": "nomic_bert", "moe_every_n_layers": 2,
        "moe_impl": "megablocks", "moe_normalize_expert_weights": False, "moe_resid_pdrop": 0.0, "moe_top_k": 2,
        "n_embd": HIDDEN, "n_head": HEADS, "n_inner": INNER, "n_layer": LAYERS, "n_positions": 2048,
        "num_experts": experts, "num_shared_experts": 0, "pad_token_id": 1, "pad_vocab_size_multiple": 64,
        "parallel_block": False, "parallel_block_tied_norm": False, "prenorm": False, "qkv_proj_bias": True,
        "reorder_and_upcast_attn": False, "resid_pdrop": 0.0, "rotary_emb_base": 10000, "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False, "rotary_emb_scale_base": None, "rotary_scaling_factor": None,
        "router_aux_loss_coef": 0.1, "scale_attn_by_inverse_layer_idx": False, "scale_attn_weights": True,
        "tie_word_embeddings": True, "torch_dtype": "float32", "transformers_version": "4.44.2",
        "type_vocab_size": 1, "use_cache": True, "use_flash_attn": True, "use_rms_norm": None,
        "use_xentropy": True, "vocab_size": size,
    }  # fmt: skip
    return together(config, stored(drawn(shapes, seed)), tokenizer, behind("mean", "2_Normalize"))


def nomic_gated(seed: int) -> Files:
    """nomic v1.5: gates, no experts and no biases."""
    tokenizer, size = sized(vocabularies.wordpiece(LENGTH))
    shapes: Shapes = {
        "embeddings.word_embeddings.weight": (size, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
        **scaled("emb_ln", HIDDEN),
    }
    for layer in (f"encoder.layers.{number}" for number in range(LAYERS)):
        for part, into, out in (("attn.Wqkv", HIDDEN, 3 * HIDDEN), ("attn.out_proj", HIDDEN, HIDDEN),
                                ("mlp.fc11", HIDDEN, INNER), ("mlp.fc12", HIDDEN, INNER),
                                ("mlp.fc2", INNER, HIDDEN)):  # fmt: skip
            shapes |= affine(f"{layer}.{part}", into, out, bias=False)
        shapes |= scaled(f"{layer}.norm1", HIDDEN) | scaled(f"{layer}.norm2", HIDDEN)
    config = {
        "activation_function": "swiglu", "architectures": ["NomicBertModel"], "attn_pdrop": 0.0,
        "auto_map": {"AutoModel": "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBertModel"},
        "bos_token_id": None, "causal": False, "dense_seq_output": True, "embd_pdrop": 0.0, "eos_token_id": None,
        "fused_bias_fc": True, "fused_dropout_add_ln": True, "initializer_range": 0.02, "layer_norm_epsilon": 1e-12,
        "max_trained_positions": 2048, "mlp_fc1_bias": False, "mlp_fc2_bias": False, "model_type": "nomic_bert",
        "n_embd": HIDDEN, "n_head": HEADS, "n_inner": INNER, "n_layer": LAYERS, "n_positions": 8192, "num_experts": 0,
        "pad_vocab_size_multiple": 64, "parallel_block": False, "prenorm": False, "qkv_proj_bias": False,
        "reorder_and_upcast_attn": False, "resid_pdrop": 0.0, "rotary_emb_base": 1000, "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False, "rotary_emb_scale_base": None, "rotary_scaling_factor": None,
        "scale_attn_by_inverse_layer_idx": False, "scale_attn_weights": True, "summary_activation": None,
        "summary_first_dropout": 0.0, "summary_proj_to_labels": True, "summary_type": "cls_index",
        "summary_use_proj": True, "torch_dtype": "float32", "transformers_version": "4.37.2", "type_vocab_size": 2,
        "use_cache": True, "use_flash_attn": True, "use_rms_norm": False, "use_xentropy": True, "vocab_size": size,
    }  # fmt: skip
    return together(config, stored(drawn(shapes, seed)), tokenizer, behind("mean"))


def flash(vocabulary: int, prefix: str) -> Shapes:
    """Names and shapes of the tensors of Jina's XLM-RoBERTa with rotary positions."""
    shapes: Shapes = {
        "embeddings.word_embeddings.weight": (vocabulary, HIDDEN),
        "embeddings.token_type_embeddings.weight": (1, HIDDEN),
        **scaled("emb_ln", HIDDEN),
    }
    for layer in (f"encoder.layers.{number}" for number in range(LAYERS)):
        shapes |= affine(f"{layer}.mixer.Wqkv", HIDDEN, 3 * HIDDEN) | affine(f"{layer}.mixer.out_proj", HIDDEN, HIDDEN)
        shapes |= affine(f"{layer}.mlp.fc1", HIDDEN, INNER) | affine(f"{layer}.mlp.fc2", INNER, HIDDEN)
        shapes |= scaled(f"{layer}.norm1", HIDDEN) | scaled(f"{layer}.norm2", HIDDEN)
    return {prefix + name: shape for name, shape in (shapes | affine("pooler.dense", HIDDEN, HIDDEN)).items()}


def flash_config(size: int, model: str, architecture: str, **more: Any) -> dict[str, Any]:
    code = "jinaai/xlm-roberta-flash-implementation--"
    named = {"AutoConfig": f"{code}configuration_xlm_roberta.XLMRobertaFlashConfig", "AutoModel": f"{code}{model}"}
    rotary = {"emb_pooler": None, "position_embedding_type": "rotary", "rotary_emb_base": 20000.0}
    rotary |= {"use_flash_attn": True, "use_reg_tokens": False, "truncate_dim": None, "torch_dtype": "bfloat16"}
    return xlmr_config(size, architecture, auto_map=named, **rotary, **more)


def jina_v3(seed: int) -> Files:
    """The repository for transformers' own class: the network, and an adapter of peft's for each task."""
    tokenizer, size = sized(vocabularies.unigram(LENGTH))
    tasks = ["retrieval_query", "retrieval_passage", "separation", "classification", "text_matching"]
    shapes = {name: shape for name, shape in flash(size, "").items() if "pooler" not in name}
    config = xlmr_config(size, "JinaEmbeddingsV3Model", model_type="jina_embeddings_v3", torch_dtype="bfloat16")
    del config["position_embedding_type"], config["output_past"], config["gradient_checkpointing"]
    config |= {"rope_parameters": {"rope_theta": 20000.0, "rope_type": "default"}, "transformers_version": "5.6.0"}
    adapters = {
        file: data
        for number, task in enumerate(tasks, start=1)
        for file, data in _adapter(task, size, seed + number).items()
    }
    tensors = stored(drawn(shapes, seed), half=True)
    return together(config, tensors, tokenizer, behind("mean", "2_Normalize"), adapters)


def _adapter(task: str, vocabulary: int, seed: int, rank: int = 4) -> Files:
    """A LoRA adapter of the words and of all layers but those behind attention, in peft's names."""
    start = "base_model.model."
    words = f"{start}embeddings.word_embeddings.lora_embedding_"
    shapes: Shapes = {f"{words}A": (rank, vocabulary), f"{words}B": (HIDDEN, rank)}
    parts = [("self_attn.q_proj", HIDDEN, HIDDEN), ("self_attn.k_proj", HIDDEN, HIDDEN)]
    parts += [("self_attn.v_proj", HIDDEN, HIDDEN), ("mlp.fc1", HIDDEN, INNER), ("mlp.fc2", INNER, HIDDEN)]
    for part, into, out in parts:
        for layer in range(LAYERS):
            at = f"{start}layers.{layer}.{part}"
            shapes |= {f"{at}.lora_A.weight": (rank, into), f"{at}.lora_B.weight": (out, rank)}
    targets = [part.split(".")[1] for part, _, _ in parts] + ["word_embeddings"]
    told = {"peft_type": "LORA", "r": rank, "lora_alpha": 2, "bias": "none", "target_modules": targets}
    saved = stored(drawn(shapes, seed))["model.safetensors"]
    told |= {"base_model_name_or_path": "jinaai/jina-embeddings-v3-hf", "task_type": "FEATURE_EXTRACTION"}
    return {f"{task}/adapter_config.json": as_json(told), f"{task}/adapter_model.safetensors": saved}


# Late interaction


def _metadata(**own: Any) -> Files:
    """How Stanford's ColBERT says what a checkpoint was trained with."""
    usual = {"query_token": "[Q]", "doc_token": "[D]", "interaction": "colbert", "mask_punctuation": True}
    return {"artifact.metadata": as_json({**usual, "similarity": "cosine", "dim": 12, **own})}


def colbert(seed: int, longest: int = 60) -> Files:
    tokenizer, size = sized(vocabularies.wordpiece(LENGTH))
    shapes: Shapes = {**bert(size, prefix="bert."), "linear.weight": (12, HIDDEN)}
    tensors = stored({**drawn(shapes, seed), **numbered("bert.")})
    marks = {"query_token_id": "[unused0]", "doc_token_id": "[unused1]", "attend_to_mask_tokens": False}
    told = _metadata(**marks, query_maxlen=32, doc_maxlen=longest)
    return together(bert_config(size, architecture="HF_ColBERT"), tensors, tokenizer, told)


def jina_colbert(seed: int) -> Files:
    tokenizer, size = sized(vocabularies.unigram(LENGTH, "[QueryMarker]", "[DocumentMarker]"))
    shapes: Shapes = {**flash(size, "roberta."), "linear.weight": (12, HIDDEN)}
    marks = {"query_token_id": "[QueryMarker]", "doc_token_id": "[DocumentMarker]", "attend_to_mask_tokens": True}
    told = _metadata(**marks, query_maxlen=32, doc_maxlen=60)
    lora = {"lora_adaptations": None, "lora_alpha": 1, "lora_rank": 4, "matryoshka_dimensions": None}  # as it has none
    config = flash_config(size, "modeling_xlm_roberta.XLMRobertaModel", "HF_ColBERT", **lora, dim=12)
    return together(config, stored(drawn(shapes, seed), half=True), tokenizer, told)
