"""The type of number that a model computes with."""

from __future__ import annotations

from patent_embeddings.encoders.devices import Device


def resolve(dtype: str, device: Device) -> str:
    """What params.yaml or a model's entry asks for; `auto` is bfloat16 where the device computes it natively."""
    if dtype != "auto":
        return dtype
    return "bfloat16" if device.halves else "float32"


def precise(dtype: str) -> str:
    """What to do about numbers that a model computes and that are none."""
    return "use another model" if dtype == "float32" else "set embed.dtype to float32"
