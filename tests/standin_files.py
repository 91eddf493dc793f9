"""Files of a tiny stand-in's repository: weights, configuration, and what stands behind the network."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import vocabularies

HIDDEN, INNER, HEADS, LAYERS = 32, 48, 4, 2
LENGTH = 128  # tokens that a stand-in takes
_MODULE = "sentence_transformers.models"

Files = dict[str, bytes]
Shapes = dict[str, tuple[int, ...]]


def together(config: Mapping[str, Any], tensors: Files, tokenizer: Files, *others: Files) -> Files:
    made = {"config.json": as_json(config), **tensors, **tokenizer}
    for more in others:
        made |= more
    return made


def as_json(content: Any) -> bytes:
    return json.dumps(content, indent=2).encode()


def sized(tokenizer: Files, whole: int = 1) -> tuple[Files, int]:
    """A tokenizer and how many rows its model has: as many as tokens, filled up to a multiple of `whole`."""
    return tokenizer, -(-vocabularies.size(tokenizer) // whole) * whole


def drawn(shapes: Shapes, seed: int) -> dict[str, np.ndarray]:
    """Normal weights: wide enough that a wrong mask, norm or position shows, and layer norms around 1."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, shape in shapes.items():
        norm = name.endswith(("Norm.weight", "norm.weight", "_ln.weight", "norm1.weight", "norm2.weight"))
        scale = 0.4 if "embed" in name else 0.2 if len(shape) > 1 or norm else 0.1
        made[name] = (rng.standard_normal(shape) * scale + (1 if norm else 0)).astype(np.float32)
    return made


def stored(tensors: Mapping[str, Any], *, half: bool = False, shards: int = 0, pickled: bool = False) -> Files:
    """Weights as files: one, in bfloat16 where `half`, several with an index, or pickled."""
    import torch
    from safetensors.torch import save

    kept = {
        name: tensor.bfloat16() if half and tensor.is_floating_point() else tensor
        for name, array in tensors.items()
        for tensor in [torch.from_numpy(array)]
    }
    if pickled:
        buffer = io.BytesIO()
        torch.save(kept, buffer)
        return {"pytorch_model.bin": buffer.getvalue()}
    if not shards:
        return {"model.safetensors": save(kept, {"format": "pt"})}
    names = [f"model-{number + 1:05d}-of-{shards:05d}.safetensors" for number in range(shards)]
    where = {name: names[number * shards // len(kept)] for number, name in enumerate(kept)}
    parts = {file: save({name: kept[name] for name in kept if where[name] == file}, {"format": "pt"}) for file in names}
    index = {"metadata": {"total_size": sum(map(len, parts.values()))}, "weight_map": where}
    return {**parts, "model.safetensors.index.json": as_json(index)}


def behind(pooling: str, *more: str, width: int = HIDDEN, length: int = LENGTH, prompts: Any = None) -> Files:
    """A sentence-transformers model's list of modules, its pooling and its settings."""
    listed = [("", "Transformer"), ("1_Pooling", "Pooling"), *((part, part.split("_")[1]) for part in more)]
    modes = {"mean": "mean_tokens", "cls": "cls_token", "lasttoken": "lasttoken"}
    flags = {f"pooling_mode_{key}": key == modes[pooling] for key in ("cls_token", "mean_tokens", "max_tokens")}
    last = {"pooling_mode_lasttoken": True, "include_prompt": True} if pooling == "lasttoken" else {}
    settings = {"prompts": prompts or {}, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    return {
        "modules.json": as_json(
            [
                {"idx": i, "name": str(i), "path": path, "type": f"{_MODULE}.{kind}"}
                for i, (path, kind) in enumerate(listed)
            ]
        ),
        "1_Pooling/config.json": as_json({"word_embedding_dimension": width, **flags, **last}),
        "sentence_bert_config.json": as_json({"max_seq_length": length, "do_lower_case": False}),
        "config_sentence_transformers.json": as_json(
            {"__version__": {"sentence_transformers": "3.0.0", "transformers": "4.41.0"}, **settings}
        ),
    }


def dense(path: str, into: int, out: int, seed: int, *, bias: bool, activation: str = "linear.Identity") -> Files:
    """A dense layer behind the pooling."""
    shapes: Shapes = {"linear.weight": (out, into), **({"linear.bias": (out,)} if bias else {})}
    kind = f"torch.nn.modules.{activation}"
    config = {"in_features": into, "out_features": out, "bias": bias, "activation_function": kind}
    saved = stored(drawn(shapes, seed + 1))
    return {f"{path}/config.json": as_json(config), f"{path}/model.safetensors": saved["model.safetensors"]}


def affine(name: str, into: int, out: int, *, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (out, into), **({f"{name}.bias": (out,)} if bias else {})}


def scaled(name: str, size: int) -> Shapes:
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}
