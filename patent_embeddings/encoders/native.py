"""Load weights that were published with code of their own into a class of transformers, without running that code.

A form translates the repository's `config.json` for such a class. A setting that the class does not support would give
plausible wrong numbers, so it is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import CONFIG_MAPPING, AutoConfig
from transformers.models.jina_embeddings_v3.configuration_jina_embeddings_v3 import JinaEmbeddingsV3Config

from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import weights
from patent_embeddings.encoders.values import Weights

Config = dict[str, Any]

TOKENIZER = "tokenizer_config.json"
_OWN = "sentence_transformers."  # modules of this package are no code of a repository
# Keys of any config.json that change no vector, besides those that a class of transformers knows.
_SAID = {"_name_or_path", "auto_map", "dtype", "model_type", "torch_dtype", "transformers_version", "use_cache"}


class MoeConfig(JinaEmbeddingsV3Config):
    """Sizes of nomic-embed-text-v2-moe, which its tokenizer needs too; the network is in `nomic_moe`."""

    model_type = "nomic_bert_moe"
    num_experts: int = 8
    moe_top_k: int = 2
    moe_every_n_layers: int = 2


AutoConfig.register(MoeConfig.model_type, MoeConfig)


@dataclass(frozen=True)
class Form:
    """How a `config.json` that was written for a repository's code is translated for a class of transformers."""

    model_type: str  # of the class
    renamed: Mapping[str, str] = field(default_factory=dict)  # keys that the class knows by another name
    # Values that the class computes with, where it has no choice.
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()  # keys that change no vector
    fixed: Mapping[str, Any] = field(default_factory=dict)  # settings added for the class
    taken: frozenset[str] = frozenset({"rope_scaling", "rope_theta"})  # older keys that the class or `derived` reads
    derived: Callable[[Config], Config] = dict  # changes that need more than a new name


def _ntk(config: Config) -> Config:
    """Rotary positions of GTE (`NTKScalingRotaryEmbedding` of its repository's `modeling.py`).

    Its fixed NTK scaling is that of linear scaling by `factor ** (2 / head)` over a base `factor` times as large.
    """
    scaling, base = config.pop("rope_scaling", None), config.pop("rope_theta", 10000.0)
    if scaling is None:
        return {**config, "rope_parameters": {"rope_type": "default", "rope_theta": float(base)}}
    kind = scaling.get("type", scaling.get("rope_type"))
    if kind != "ntk" or scaling.get("mixed_b") is not None:
        raise ValueError(f"`rope_scaling: {json.dumps(scaling)}`")
    factor, head = float(scaling["factor"]), config["hidden_size"] // config["num_attention_heads"]
    rope = {"rope_type": "linear", "rope_theta": base * factor, "factor": factor ** (2 / head)}
    return {**config, "rope_parameters": rope}


def _rotary_base(config: Config) -> Config:
    """Rotary positions of nomic's BERT, without scaling."""
    rope = config.pop("rope_parameters", None) or {}
    base = config.pop("rotary_emb_base", rope.get("rope_theta", 10000.0))
    if rope.get("rope_type", "default") != "default" or rope.get("rope_theta", base) != base:
        raise ValueError(f"`rope_parameters: {json.dumps(rope)}`")
    longest = max(config.pop(name, 0) for name in ("n_positions", "max_position_embeddings"))
    rope = {"rope_type": "default", "rope_theta": float(base)}
    return {**config, "max_position_embeddings": longest, "rope_parameters": rope}


# nomic-ai/nomic-bert-2048: what its models share
_NOMIC = {
    "n_embd": "hidden_size", "n_head": "num_attention_heads", "n_inner": "intermediate_size",
    "n_layer": "num_hidden_layers", "layer_norm_epsilon": "layer_norm_eps",
}  # fmt: skip
_NOMIC_ONLY: dict[str, tuple[Any, ...]] = {
    "causal": (False,), "parallel_block": (False,), "prenorm": (False,), "rotary_emb_fraction": (1.0,),
    "rotary_emb_interleaved": (False,), "rotary_emb_scale_base": (None,), "rotary_scaling_factor": (None,),
    "scale_attn_by_inverse_layer_idx": (False,), "scale_attn_weights": (True,), "use_rms_norm": (False, None),
}  # fmt: skip
_NOMIC_BESIDE = frozenset({
    "attn_pdrop", "dense_seq_output", "embd_pdrop", "fused_bias_fc", "fused_dropout_add_ln", "last_layer_subset",
    "max_trained_positions", "pad_vocab_size_multiple", "reorder_and_upcast_attn", "resid_pdrop",
    "summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type", "summary_use_proj",
    "use_flash_attn", "use_xentropy",
})  # fmt: skip

FORMS = {
    # Alibaba-NLP/new-impl, `NewModel`: of gte-*-v1.5, gte-multilingual-base and snowflake-arctic-embed-m-v2.0
    "gte": Form(
        model_type="gte",
        only={
            "hidden_act": ("gelu",), "layer_norm_type": ("layer_norm",), "logn_attention_clip1": (False,),
            "logn_attention_scale": (False,), "pack_qkv": (True,), "position_embedding_type": ("rope",),
        },
        beside=frozenset({"matryoshka_dimensions", "unpad_inputs", "use_memory_efficient_attention"}),
        derived=_ntk,
    ),
    # nomic-ai/nomic-bert-2048, `NomicBertModel`: of nomic-embed-text-v1.5
    "nomic-bert": Form(
        model_type="nomic_bert",
        renamed=_NOMIC,
        only={
            **_NOMIC_ONLY, "activation_function": ("swiglu",), "hidden_act": ("silu",), "mlp_fc1_bias": (False,),
            "mlp_fc2_bias": (False,), "num_experts": (0,), "qkv_proj_bias": (False,),
        },
        beside=_NOMIC_BESIDE,
        taken=frozenset({"n_positions", "rotary_emb_base"}),
        derived=_rotary_base,
    ),
    # The same code with experts, biases and GELU: of nomic-embed-text-v2-moe
    "nomic-moe": Form(
        model_type=MoeConfig.model_type,
        renamed={**_NOMIC, "activation_function": "hidden_act"},
        only={
            **_NOMIC_ONLY, "activation_function": ("gelu",), "expert_choice_router": (False,), "ffn_div": (1,),
            "mlp_fc1_bias": (True,), "mlp_fc2_bias": (True,), "moe_normalize_expert_weights": (False,),
            "num_shared_experts": (0,), "qkv_proj_bias": (True,),
        },
        beside=_NOMIC_BESIDE | {"add_pooling_layer", "moe_impl", "moe_resid_pdrop", "router_aux_loss_coef"},
        taken=frozenset({"n_positions", "rotary_emb_base"}),
        derived=_rotary_base,
    ),
    # jinaai/xlm-roberta-flash-implementation, `XLMRobertaModel`: of jina-colbert-v2
    "xlm-roberta-rotary": Form(
        model_type="jina_embeddings_v3",
        only={"emb_pooler": (None,), "lora_adaptations": (None,), "position_embedding_type": ("rotary",)},
        beside=frozenset({
            "dim", "load_trained_adapters", "lora_alpha", "lora_dropout_p", "lora_main_params_trainable", "lora_rank",
            "matryoshka_dimensions", "output_past", "truncate_dim", "use_flash_attn",
        }),
        taken=frozenset({"rotary_emb_base"}),
        derived=_rotary_base,
    ),
    # nvidia's `LlamaBidirectionalModel`: of llama-embed-nemotron-8b and llama-nemotron-embed-1b-v2
    "llama-both-directions": Form(
        model_type="llama",
        only={"pooling": ("avg",)},
        beside=frozenset({"temperature"}),
        fixed={"is_causal": False},
    ),
    # `Qwen2Model` of gte-Qwen2's repository, whose attention has both directions: of stella_en_1.5B_v5
    "qwen2-both-directions": Form(
        model_type="qwen2",
        only={"use_sliding_window": (False,), "is_causal": (False,)},
        fixed={"is_causal": False},
    ),
}  # fmt: skip


@contextmanager
def readable(entry: Weights, folder: Path) -> Iterator[Path]:
    """The model's folder in a form that transformers reads without the repository's code, while it is being loaded.

    Yields `folder` itself, or for an entry with `native` a folder of links to the same weights, with a translated
    `config.json`.

    Raises UserError: a file asks for something that the class of transformers does not support.
    """
    if entry.native is None:
        yield folder
        return
    with TemporaryDirectory(prefix="native-") as name:
        shown = Path(name)
        for file in sorted(folder.iterdir()):
            if file.suffix != ".py":
                (shown / file.name).symlink_to(file.resolve())
        _put(shown / "config.json", translated(entry, folder / "config.json"))
        if (folder / TOKENIZER).is_file():
            config = weights.read(folder / TOKENIZER)
            _put(shown / TOKENIZER, {key: value for key, value in config.items() if key != "auto_map"})
        _require_no_code(entry, folder / "modules.json")
        yield shown


def translated(entry: Weights, path: Path) -> Config:
    """Translate a repository's `config.json` for the class of the entry's form.

    Raises UserError: it asks for something that the class does not support.
    """
    form, said = FORMS[str(entry.native)], weights.read(path)
    kind = CONFIG_MAPPING[form.model_type]
    known = {*vars(kind()), *kind.__dataclass_fields__, *form.taken}
    unlike = f"which `native: {entry.native}` of its entry cannot do; put `remote_code: true` in its place"
    config: Config = {}
    for key, value in said.items():
        name = form.renamed.get(key, key)
        if key in form.only:
            if value not in form.only[key]:
                raise UserError(f"{entry.hub}: {path} says `{key}: {json.dumps(value)}`, {unlike}")
        elif key in _SAID or key in form.beside:
            continue
        elif config.get(name, value) != value:
            raise UserError(f"{entry.hub}: {path} says `{key}: {value}`, and `{name}: {config[name]}` as well")
        elif name in known:
            config[name] = value
        elif value:  # a switch that is off changes nothing
            raise UserError(f"{entry.hub}: {path} says `{key}: {json.dumps(value)}`, {unlike}")
    try:
        config = form.derived(config)
    except ValueError as error:
        raise UserError(f"{entry.hub}: {path} says {error}, {unlike}") from None
    return {**config, **form.fixed, "model_type": form.model_type}


def _require_no_code(entry: Weights, listing: Path) -> None:
    """Raise UserError where a `modules.json` names a module that is not of the library."""
    for module in weights.modules(listing) if listing.is_file() else []:
        if not module["type"].startswith(_OWN):
            what = f"{listing} names code of its own, {module['type']}"
            raise UserError(f"{entry.hub}: {what}, for which `native: {entry.native}` of its entry has nothing")


def _put(path: Path, content: Any) -> None:
    """Write a JSON file in place of a link, in the order of its keys."""
    path.unlink(missing_ok=True)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
