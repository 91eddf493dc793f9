"""Opening a model of the registry: its encoder, or its tokenizer alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import AutoTokenizer

from patent_embeddings.encoders import loading, processes, weights
from patent_embeddings.encoders.dense import Dense
from patent_embeddings.encoders.entries import Frozen, Model
from patent_embeddings.encoders.late import Late

if TYPE_CHECKING:
    from patent_embeddings.encoders.base import Encoder


def encoder(
    entry: Model,
    *,
    length: int | None = None,
    dtype: str = "float32",
    adapter: Path | None = None,
    scale: float = 1.0,
    frozen: Frozen | None = None,
) -> Encoder:
    """Load a model from this machine, never from the network.

    Args:
        entry: its registry entry.
        length: tokens that texts are cut to; None: the entry's evaluation length.
        dtype: `float32`, `bfloat16`, or `auto`: bfloat16 where the device computes it natively.
        adapter: folder with a peft adapter, or None for the model as published.
        scale: weight of the adapter, 0 (as published) to 1 (as trained).
        frozen: what the weights are kept in while an adapter is trained on them, such as the
            entry's `plan.weights`; overrides `dtype`. None: not for training.

    Returns:
        A `dense.Dense` or `late.Late` encoder, on the GPU where there is one.

    Raises:
        UserError: the weights are not here or differ from their pin, the model needs code that the
            user has not agreed to run, the adapter does not fit, or 4 bits need a library.
    """
    processes.settle()  # before a library looks at the environment

    kind = Late if entry.encoder == "late" else Dense
    return kind(entry, length=length, dtype=dtype, adapter=adapter, scale=scale, frozen=frozen)


def tokenizer(entry: Model) -> Any:
    """The model's tokenizer alone, without its weights. Raises UserError as `encoder` does."""

    folder = weights.locate(entry)
    with loading.refusing(entry, folder):
        loaded = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=weights.consented(entry)
        )
    loading.worded(entry, folder, loaded)
    loaded.padding_side = entry.padding
    return loaded
