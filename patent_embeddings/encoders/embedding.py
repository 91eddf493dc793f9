"""The texts of a landscape embedded: documents, queries, and documents once more for tasks with a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from patent_embeddings.core import vectors
from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import prompts, shards, windows
from patent_embeddings.encoders.base import Encoder
from patent_embeddings.encoders.values import EmbedValues, Side


def embed(
    encoder: Encoder,
    documents: Mapping[str, str],
    queries: Mapping[str, str],
    values: EmbedValues,
    folder: Path,
    label: str,
) -> shards.Encoded:
    """Write the vectors of a landscape and their ids: of documents, queries, and tasks with a prompt of their own.

    Sides with the same prompt share their texts: a query that is also a document is embedded once.

    `documents` and `queries` are texts by id, ascending; `folder` is empty. Raises UserError: passages do not fit the
    model, or a vector is not finite.
    """
    texts, first, own = list(documents.values()), None, prompts.own(encoder.entry.prompts)
    if (size := values.passages.tokens) is not None:
        windows.require_room(encoder, [encoder.prompt(side) for side in ("document", *own)], size)
        texts, first = windows.cut(texts, encoder.tokenizer, size, values.passages.stride)
    sides: dict[str, tuple[Side, list[str]]] = {
        "documents": ("document", texts),
        "queries": ("query", list(queries.values())),
        **{name: (name, texts) for name in own},
    }
    encoded = shards.encode(encoder, sides, folder, label=label, engine=values.engine)
    for name, tokens in encoded.first.items():
        asked = name == "queries"
        ids = pd.DataFrame({"query_id": list(queries)} if asked else {"family_id": list(documents)}, dtype="str")
        vectors.describe(folder / f"{name}.npy", ids, first if tokens is None and not asked else tokens)
    return encoded


def require_text(texts: Iterable[str], landscape: str, view: str) -> None:
    """Raise UserError where no family of the landscape has any text in the view."""
    if not any(texts):
        what = f"view {view!r} has no text in landscape {landscape!r} (its families lack the sections)"
        show = f"`python -m stages.landscape show {landscape}` lists the sections present"
        raise UserError(f"{what}; choose another view, {show}")
