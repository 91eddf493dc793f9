"""The type of number that a model computes with."""

from __future__ import annotations

import torch


def resolve(dtype: str, device: str) -> str:
    """`auto` becomes bfloat16 where the device computes it natively, else float32."""
    if dtype != "auto":
        return dtype
    if device == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if native else "float32"


def precise(dtype: str) -> str:
    """What to do about numbers that a model computes and that are none."""
    return "use another model" if dtype == "float32" else "set embed.dtype to float32"
