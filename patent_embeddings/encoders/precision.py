"""The type of number that a model computes with."""

from __future__ import annotations

from patent_embeddings.encoders.devices import Device


def resolve(dtype: str, device: Device) -> str:
    """The type of number that `auto` is on a device: bfloat16 where it computes that natively; others as they are."""
    if dtype != "auto":
        return dtype
    return "bfloat16" if device.halves else "float32"


def precise(dtype: str) -> str:
    """What to do where a model computes NaN or infinity."""
    return "use another model" if dtype == "float32" else "set embed.dtype to float32"
