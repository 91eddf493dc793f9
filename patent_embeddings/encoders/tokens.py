"""A model's tokenizer without its weights, to count tokens or cut texts."""

from __future__ import annotations

from typing import Any

from transformers import AutoTokenizer

from patent_embeddings.encoders import loading, native, weights
from patent_embeddings.encoders.values import Words


def tokenizer(entry: Words) -> Any:
    """Load a model's tokenizer. Raises UserError as `factory.encoder` does."""
    folder = weights.locate(entry)
    with loading.refusing(entry, folder), native.readable(entry, folder) as shown:
        trusted = weights.consented(entry)
        loaded = AutoTokenizer.from_pretrained(str(shown), local_files_only=True, trust_remote_code=trusted)
    loading.ended(entry, folder, loaded)
    loading.worded(entry, folder, loaded)
    loaded.padding_side = entry.padding
    return loaded
