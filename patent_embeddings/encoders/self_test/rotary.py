"""Check the rotary positions of a loaded model against its configuration.

Their frequencies are not among the weights but computed when the model is made. Code written for an older transformers
may leave them unfilled, or compute them with another base, without an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from patent_embeddings.encoders import weights
from patent_embeddings.encoders.self_test.gate import Finding
from patent_embeddings.encoders.values import Weights

_NAME = "inv_freq"
_CAUSE = "frequencies that were not filled when the model was made, or of another base or length"


def findings(network: torch.nn.Module, entry: Weights, folder: Path) -> Iterator[Finding]:
    """One finding for all rotary positions of a network."""
    worst, shown, count = 0.0, "", 0
    for name, module in network.named_modules():
        for buffer, found in module.named_buffers(recurse=False):
            if not buffer.endswith(_NAME) or "original" in buffer:
                continue
            count += 1
            wanted = _expected(module, buffer.removesuffix(_NAME).rstrip("_"), entry, folder, found)
            off = _off(found.detach().float().cpu(), wanted)
            if not off <= worst:  # what is no number is the worst
                worst, shown = off, f" ({name}.{buffer})"
    if count:
        yield Finding("rotary", f"{count} tables of frequencies, off by {worst:.1e}{shown}", worst <= 1e-3, _CAUSE)


def _off(found: torch.Tensor, wanted: torch.Tensor | None) -> float:
    """Largest relative error of frequencies."""
    if not found.isfinite().all() or found.min() <= 0:
        return float("inf")
    if wanted is None:  # nothing says what they are: they fall from at most 1 by one ratio
        steps = found[1:] / found[:-1]
        return float((steps - steps.mean()).abs().max()) if found[0] <= 1.001 and (steps < 1).all() else float("inf")
    return float((found / wanted - 1).abs().max()) if found.shape == wanted.shape else float("inf")


def _expected(module: Any, layer: str, entry: Weights, folder: Path, found: torch.Tensor) -> torch.Tensor | None:
    """Frequencies by the configuration; None where it does not define them."""
    saved = weights.read(folder / "config.json")
    config: Any = getattr(module, "config", None)
    if layer and (each := getattr(config, "per_layer_config", None)):  # heads of different sizes by kind of layer
        config = each[layer]
    rope: Mapping[str, Any] = getattr(config, "rope_parameters", None) or {}
    rope = rope.get(layer, rope) if layer else rope
    if not rope:  # code of a repository
        base = saved.get("rotary_emb_base", saved.get("rope_theta"))
        return None if base is None or saved.get("rope_scaling") else _default(float(base), 2 * len(found))
    kind, base = rope.get("rope_type", "default"), rope["rope_theta"]
    if entry.native is None and not layer:
        base = saved.get("rope_theta", base)  # as the weights' own file has it
    if kind in ("default", "linear"):
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        whole = _default(float(base), int(size * rope.get("partial_rotary_factor", 1.0)))
        return whole / rope.get("factor", 1.0) if kind == "linear" else whole
    named = {"layer_type": layer} if layer else {}
    frequencies, _ = ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"), **named)
    return frequencies.float()


def _default(base: float, size: int) -> torch.Tensor:
    """base ** (-2 i / size), as Su et al. (2021) have it."""
    return torch.tensor([base ** (-2 * i / size) for i in range(size // 2)], dtype=torch.float64).float()
