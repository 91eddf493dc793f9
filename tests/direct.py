"""The study's architectures written out: one text at a time, so without padding, in float64, from a repository's files.

Nothing here calls transformers or sentence-transformers. Sources: the papers of the architectures, and for GTE, nomic
and Jina the code of the repositories that their weights were published for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, normalize, silu, softmax

Network = Callable[["Repository", Tensor], Tensor]  # tokens, int64 [n], to hidden states, float64 [n, hidden]


@dataclass(frozen=True)
class Repository:
    """Weights, configuration and tokenizer of a model's folder."""

    folder: Path
    task: str = ""  # the folder of the adapter that is at work

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its config.json."""
        found: dict[str, Any] = json.loads((self.folder / "config.json").read_text())
        return found

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the network, without the prefixes of classes around it."""
        held: dict[str, Tensor] = {}
        for file in sorted(self.folder.glob("*.safetensors")):
            held |= load_file(file)
        for file in self.folder.glob("*.bin"):
            held |= torch.load(file, weights_only=True)
        prefixes = ("model.", "bert.", "new.", "roberta.")
        held = {_without(name, prefixes): one.double() for name, one in held.items() if one.is_floating_point()}
        return adapted(held, self.folder / self.task) if self.task else held

    def tokens(self, text: str, length: int, special: tuple[str, ...] = ()) -> Tensor:
        """Ids of a text cut to a length, special tokens included; `special` are single tokens wherever they stand."""
        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        tokenizer.add_special_tokens(list(special))
        tokenizer.enable_truncation(length)
        return torch.tensor(tokenizer.encode(text).ids)

    def id(self, token: str) -> int:
        """Of a token."""
        return int(Tokenizer.from_file(str(self.folder / "tokenizer.json")).token_to_id(token))

    def dense(self, part: str, vector: Tensor) -> Tensor:
        """A dense layer behind the pooling, without activation."""
        held = {name: one.double() for name, one in load_file(self.folder / part / "model.safetensors").items()}
        return vector @ held["linear.weight"].T + held.get("linear.bias", torch.zeros(()))


def _without(name: str, prefixes: tuple[str, ...]) -> str:
    for prefix in prefixes:
        name = name.removeprefix(prefix)
    return name


def adapted(held: dict[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """Weights of Jina's with a LoRA adapter (Hu et al., 2021) added: alpha over rank, times B A."""
    held = {name: tensor.clone() for name, tensor in held.items()}
    told = json.loads((folder / "adapter_config.json").read_text())
    parts = {name: one.double() for name, one in load_file(folder / "adapter_model.safetensors").items()}
    for name in (name for name in parts if ".lora_A" in name or name.endswith("embedding_A")):
        _, _, *path = name.split(".")
        change = parts[name.replace("_A", "_B")] @ parts[name] * told["lora_alpha"] / told["r"]
        if path[0] == "pooler":  # which is not read
            continue
        if path[0] == "embeddings":
            held["embeddings.word_embeddings.weight"] += change.T
        elif path[2] == "mlp":
            held[f"encoder.layers.{path[1]}.mlp.{path[3]}.weight"] += change
        elif path[3] == "o_proj":
            held[f"encoder.layers.{path[1]}.mixer.out_proj.weight"] += change
        else:
            first = "qkv".index(path[3][0]) * len(change)
            held[f"encoder.layers.{path[1]}.mixer.Wqkv.weight"][first : first + len(change)] += change
    return held


# Parts


def linear(held: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """x Wᵀ + b, where there is a b."""
    return x @ held[f"{name}.weight"].T + held.get(f"{name}.bias", torch.zeros((), dtype=x.dtype))


def normed(held: dict[str, Tensor], name: str, x: Tensor, eps: float) -> Tensor:
    """Layer norm (Ba et al., 2016)."""
    return layer_norm(x, x.shape[-1:], held[f"{name}.weight"], held[f"{name}.bias"], eps)


def heads(x: Tensor, count: int) -> Tensor:
    """[n, heads * size] to [heads, n, size]."""
    return x.view(len(x), count, -1).transpose(0, 1)


def attention(q: Tensor, k: Tensor, v: Tensor, scale: float, bias: Tensor | float = 0.0) -> Tensor:
    """Of heads [heads, n, size], fewer of keys than of queries (Ainslie et al., 2023); to [n, heads * size]."""
    k, v = (one.repeat_interleave(len(q) // len(one), dim=0) for one in (k, v))
    mixed = softmax(q @ k.transpose(1, 2) * scale + bias, dim=-1) @ v
    return mixed.transpose(0, 1).reshape(q.shape[1], -1)


def frequencies(size: int, base: float) -> Tensor:
    """Of rotary positions (Su et al., 2021)."""
    return base ** (-torch.arange(0, size, 2).double() / size)


def rotated(x: Tensor, rates: Tensor) -> Tensor:
    """Heads turned by their positions: number i of a head goes with number i + size / 2."""
    angles = torch.arange(x.shape[1]).double()[:, None] * rates
    first, second = x.chunk(2, dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


# Encoders


def bert(model: Repository, ids: Tensor, first: int = 0, extra: Any = None, seen: Tensor | None = None) -> Tensor:
    """BERT (Devlin et al., 2018), read at positions from `first`; `seen`: which tokens the others attend to."""
    held, config = model.tensors, model.config
    eps, count = config["layer_norm_eps"], config["num_attention_heads"]
    x = held["embeddings.word_embeddings.weight"][ids]
    x = x + held["embeddings.position_embeddings.weight"][first + torch.arange(len(ids))]
    if "embeddings.token_type_embeddings.weight" in held:
        x = x + held["embeddings.token_type_embeddings.weight"][0]
    x = normed(held, "embeddings.LayerNorm", x, eps)
    names = extra or {"q": "self.query", "k": "self.key", "v": "self.value", "o": "output.dense", "norm": "output."}
    bias = _relative(held["encoder.relative_attention_bias.weight"], len(ids)) if extra else torch.zeros(len(ids))
    bias = bias if seen is None else bias.masked_fill(~seen, -torch.inf)
    for number in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{number}"
        q, k, v = (heads(linear(held, f"{layer}.attention.{names[part]}", x), count) for part in "qkv")
        mixed = linear(held, f"{layer}.attention.{names['o']}", attention(q, k, v, q.shape[-1] ** -0.5, bias))
        x = normed(held, f"{layer}.attention.{names['norm']}LayerNorm", x + mixed, eps)
        made = linear(held, f"{layer}.output.dense", gelu(linear(held, f"{layer}.intermediate.dense", x)))
        x = normed(held, f"{layer}.output.LayerNorm", x + made, eps)
    return x


def xlmr(model: Repository, ids: Tensor) -> Tensor:
    """XLM-RoBERTa (Conneau et al., 2019): BERT whose positions begin behind that of padding, 1."""
    return bert(model, ids, first=2)


def mpnet(model: Repository, ids: Tensor) -> Tensor:
    """MPNet (Song et al., 2020): BERT with biases of relative positions."""
    return bert(model, ids, first=2, extra={**{part: f"attn.{part}" for part in "qkvo"}, "norm": ""})


def _relative(table: Tensor, length: int) -> Tensor:
    """Biases [heads, n, n] by distance in T5's 32 buckets (Raffel et al., 2019): 16 a direction, half of them exact."""

    def bucket(distance: int) -> int:  # of a key before its query
        size = abs(distance)
        if size >= 8:
            size = min(15, 8 + int(math.log(size / 8) / math.log(128 / 8) * 8))
        return size + (16 if distance < 0 else 0)

    rows = [[bucket(query - key) for key in range(length)] for query in range(length)]
    return table[torch.tensor(rows)].permute(2, 0, 1)


def rotary(model: Repository, ids: Tensor, mixer: str = "attn", seen: Tensor | None = None) -> Tensor:
    """nomic's BERT, with gates or with experts in every second layer, and Jina's XLM-RoBERTa, with neither."""
    held, config = model.tensors, model.config
    count = config.get("n_head") or config["num_attention_heads"]
    eps = config.get("layer_norm_epsilon") or config["layer_norm_eps"]
    x = held["embeddings.word_embeddings.weight"][ids] + held["embeddings.token_type_embeddings.weight"][0]
    x = normed(held, "emb_ln", x, eps)
    base = config["rope_parameters"]["rope_theta"] if "rope_parameters" in config else config["rotary_emb_base"]
    rates = frequencies(x.shape[-1] // count, base)
    bias = torch.zeros(len(ids)) if seen is None else torch.zeros(len(ids)).masked_fill(~seen, -torch.inf)
    for number in range(config.get("n_layer") or config["num_hidden_layers"]):
        layer = f"encoder.layers.{number}"
        q, k, v = (heads(part, count) for part in linear(held, f"{layer}.{mixer}.Wqkv", x).chunk(3, dim=-1))
        mixed = attention(rotated(q, rates), rotated(k, rates), v, q.shape[-1] ** -0.5, bias)
        x = normed(held, f"{layer}.norm1", x + linear(held, f"{layer}.{mixer}.out_proj", mixed), eps)
        if f"{layer}.mlp.router.layer.weight" in held:
            made = _experts(held, f"{layer}.mlp", x, config["num_experts"], config["moe_top_k"])
        elif f"{layer}.mlp.fc11.weight" in held:
            gates = silu(linear(held, f"{layer}.mlp.fc12", x))
            made = linear(held, f"{layer}.mlp.fc2", linear(held, f"{layer}.mlp.fc11", x) * gates)
        else:
            made = linear(held, f"{layer}.mlp.fc2", gelu(linear(held, f"{layer}.mlp.fc1", x)))
        x = normed(held, f"{layer}.norm2", x + made, eps)
    return x


def _experts(held: dict[str, Tensor], name: str, x: Tensor, count: int, best: int) -> Tensor:
    """The best experts of each token, weighed by the router's probabilities as they are."""
    into, back = (held[f"{name}.experts.mlp.{one}"].view(count, -1, x.shape[-1]) for one in ("w1", "w2"))
    rows = []
    for token in x:
        probabilities = softmax(held[f"{name}.router.layer.weight"] @ token, dim=0)
        chosen = sorted(range(count), key=lambda one: -float(probabilities[one]))[:best]
        made = [probabilities[one] * (gelu(into[one] @ token) @ back[one]) for one in chosen]
        rows.append(sum(made) + held[f"{name}.experts.bias"])
    return torch.stack(rows)


def jina(model: Repository, ids: Tensor, seen: Tensor | None = None) -> Tensor:
    """Jina's XLM-RoBERTa with rotary positions (Sturua et al., 2024)."""
    return rotary(model, ids, "mixer", seen)


def gte(model: Repository, ids: Tensor) -> Tensor:
    """mGTE (Zhang et al., 2024): rotary positions with fixed NTK scaling, GELU's gates, norms after the sums."""
    held, config = model.tensors, model.config
    eps, count = config["layer_norm_eps"], config["num_attention_heads"]
    x = held["embeddings.word_embeddings.weight"][ids] + held["embeddings.token_type_embeddings.weight"][0]
    x = normed(held, "embeddings.LayerNorm", x, eps)
    size, factor = x.shape[-1] // count, (config["rope_scaling"] or {"factor": 1.0})["factor"]
    rates = frequencies(size, config["rope_theta"] * factor) / factor ** (2 / size)
    for number in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{number}"
        q, k, v = (heads(one, count) for one in linear(held, f"{layer}.attention.qkv_proj", x).chunk(3, dim=-1))
        mixed = attention(rotated(q, rates), rotated(k, rates), v, size**-0.5)
        x = normed(held, f"{layer}.attn_ln", x + linear(held, f"{layer}.attention.o_proj", mixed), eps)
        up, gate = linear(held, f"{layer}.mlp.up_gate_proj", x).chunk(2, dim=-1)
        x = normed(held, f"{layer}.mlp_ln", x + linear(held, f"{layer}.mlp.down_proj", gelu(gate) * up), eps)
    return x


# Decoders


def causal(length: int, window: int | None = None) -> Tensor:
    """Added to scores [query, key]: each token sees itself and those before, at most a window of them."""
    before = torch.arange(length)[:, None] - torch.arange(length)
    hidden = (before < 0) | (before >= (window or length))
    return torch.zeros(length, length, dtype=torch.float64).masked_fill(hidden, -torch.inf)


def both(length: int, window: int | None = None) -> Tensor:
    """Added to scores [query, key]: each token sees all, or those at most half a window away."""
    apart = (torch.arange(length)[:, None] - torch.arange(length)).abs()
    hidden = apart > (window or 2 * length) // 2
    return torch.zeros(length, length, dtype=torch.float64).masked_fill(hidden, -torch.inf)


def _scaled(held: dict[str, Tensor], name: str, x: Tensor, eps: float, plus: float = 0.0) -> Tensor:
    """Root mean square norm (Zhang and Sennrich, 2019); Gemma's weights lack the 1 that is added to them."""
    return x * (x.square().mean(-1, keepdim=True) + eps).rsqrt() * (held[f"{name}.weight"] + plus)


def decoder(model: Repository, ids: Tensor, mask: Callable[[int], Tensor] = causal) -> Tensor:
    """Llama (Touvron et al., 2023), Qwen2 and Qwen3, which norms each head; all with SiLU's gates."""
    held, config = model.tensors, model.config
    eps, count, few = config["rms_norm_eps"], config["num_attention_heads"], config["num_key_value_heads"]
    x = held["embed_tokens.weight"][ids]
    rates = _llama3(frequencies(x.shape[-1] // count, config["rope_theta"]), config["rope_scaling"])
    for number in range(config["num_hidden_layers"]):
        layer = f"layers.{number}"
        asked = _scaled(held, f"{layer}.input_layernorm", x, eps)
        q, k, v = (
            heads(linear(held, f"{layer}.self_attn.{part}_proj", asked), many)
            for part, many in (("q", count), ("k", few), ("v", few))
        )
        if f"{layer}.self_attn.q_norm.weight" in held:
            q, k = (_scaled(held, f"{layer}.self_attn.{part}_norm", one, eps) for part, one in (("q", q), ("k", k)))
        mixed = attention(rotated(q, rates), rotated(k, rates), v, q.shape[-1] ** -0.5, mask(len(ids)))
        x = x + linear(held, f"{layer}.self_attn.o_proj", mixed)
        x = x + _gated(held, f"{layer}.mlp", _scaled(held, f"{layer}.post_attention_layernorm", x, eps), silu)
    return _scaled(held, "norm", x, eps)


def decoder_both(model: Repository, ids: Tensor) -> Tensor:
    """A decoder whose tokens see those behind them, too."""
    return decoder(model, ids, both)


def _gated(held: dict[str, Tensor], name: str, x: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
    """Gates (Shazeer, 2020)."""
    gates = activation(linear(held, f"{name}.gate_proj", x))
    return linear(held, f"{name}.down_proj", gates * linear(held, f"{name}.up_proj", x))


def _llama3(rates: Tensor, scaling: dict[str, Any] | None) -> Tensor:
    """Rotary rates as Llama 3.1 scales them: slow ones by the factor, fast ones not, those between in part."""
    if scaling is None:
        return rates
    turns = scaling["original_max_position_embeddings"] * rates / (2 * math.pi)  # within the length of pretraining
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    fast = ((turns - low) / (high - low)).clamp(0, 1)
    return rates * fast + rates / scaling["factor"] * (1 - fast)


def gemma(model: Repository, ids: Tensor) -> Tensor:
    """Gemma 3 (2025): layers with a sliding window, and with positions of their own, between those without."""
    held, config = model.tensors, model.config
    eps, count, few = config["rms_norm_eps"], config["num_attention_heads"], config["num_key_value_heads"]
    mask = both if config["use_bidirectional_attention"] else causal
    x = held["embed_tokens.weight"][ids] * config["hidden_size"] ** 0.5
    far = frequencies(config["head_dim"], config["rope_theta"]) / (config["rope_scaling"] or {"factor": 1.0})["factor"]
    near = frequencies(config["head_dim"], config["rope_local_base_freq"])
    for number, kind in enumerate(config["layer_types"]):
        layer, sliding = f"layers.{number}", kind == "sliding_attention"
        asked = _scaled(held, f"{layer}.input_layernorm", x, eps, 1)
        q, k, v = (
            heads(linear(held, f"{layer}.self_attn.{part}_proj", asked), many)
            for part, many in (("q", count), ("k", few), ("v", few))
        )
        q, k = (_scaled(held, f"{layer}.self_attn.{part}_norm", one, eps, 1) for part, one in (("q", q), ("k", k)))
        q, k = (rotated(one, near if sliding else far) for one in (q, k))
        seen = mask(len(ids), config["sliding_window"] if sliding else None)
        mixed = linear(
            held, f"{layer}.self_attn.o_proj", attention(q, k, v, config["query_pre_attn_scalar"] ** -0.5, seen)
        )
        x = x + _scaled(held, f"{layer}.post_attention_layernorm", mixed, eps, 1)
        made = _gated(
            held, f"{layer}.mlp", _scaled(held, f"{layer}.pre_feedforward_layernorm", x, eps, 1),
            lambda one: gelu(one, approximate="tanh"),
        )  # fmt: skip
        x = x + _scaled(held, f"{layer}.post_feedforward_layernorm", made, eps, 1)
    return _scaled(held, "norm", x, eps, 1)


# Read-outs


def pooled(hidden: Tensor, how: str) -> Tensor:
    """One vector of a text's tokens."""
    return {"mean": hidden.mean(dim=0), "cls": hidden[0], "last": hidden[-1]}[how]


def vector(model: Repository, network: str, ids: Tensor, how: str, layers: tuple[str, ...], normed: bool) -> Tensor:
    """A dense model's vector of a text by its tokens: a network's hidden states, pooled, through dense layers."""
    found = pooled(globals()[network](model, ids), how)
    for layer in layers:
        found = model.dense(layer, found)
    return unit(found) if normed else found


def unit(vector: Tensor) -> Tensor:
    """Of norm 1."""
    return normalize(vector, dim=-1)
