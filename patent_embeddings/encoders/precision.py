"""The type of number that a model computes with, and results that are no numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders.devices import Device

if TYPE_CHECKING:
    from patent_embeddings.encoders.specification import Specification


def resolve(dtype: str, device: Device) -> str:
    """The type of number that `auto` is on a device: bfloat16 where it computes that natively; others as they are."""
    if dtype != "auto":
        return dtype
    return "bfloat16" if device.halves else "float32"


def precise(dtype: str, setting: str = "embed.dtype") -> str:
    """What to do where a model computes NaN or infinity; `setting` names its type of number."""
    return "use another model" if dtype == "float32" else f"set {setting} to float32"


def require_numbers(
    model: Specification, texts: Iterable[str], vectors: Iterable[np.ndarray], setting: str = "embed.dtype"
) -> None:
    """Raise UserError where the vector of a text, or one of its tokens' vectors, is NaN or infinite."""
    for text, vector in zip(texts, vectors, strict=True):
        if not np.isfinite(vector).all():
            what = f"{model.entry.hub}: the vector of {text[:60]!r} in {model.dtype} holds NaN or infinity"
            raise UserError(f"{what}, though its weights do not; {precise(model.dtype, setting)}")
