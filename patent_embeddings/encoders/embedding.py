"""Vectors of a landscape: of its documents, its queries, and its documents again for tasks with a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from patent_embeddings.core import vectors
from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import prompts, shards, windows
from patent_embeddings.encoders.self_test import gate
from patent_embeddings.encoders.specification import Specification
from patent_embeddings.encoders.values import EmbedValues, Side


def embed(
    model: Specification,
    documents: Mapping[str, str],
    queries: Mapping[str, str],
    values: EmbedValues,
    folder: Path,
    label: str,
) -> shards.Encoded:
    """Write the vectors of a landscape and their ids: of documents, queries, and tasks with a prompt of their own.

    Sides with the same prompt share their vectors: a query that is also a document is embedded once.

    `documents` and `queries` are texts by id, ascending; `folder` is empty. Raises UserError: passages do not fit the
    model, or a vector is not finite.
    """
    if model.entry.remote_code:  # only the loaded model says which code it runs, which is in the key
        model = _opened(model)
    texts, first, own = list(documents.values()), None, prompts.own(model.entry)
    if (size := values.passages.tokens) is not None:
        from patent_embeddings.encoders.tokens import tokenizer  # transformers, which takes seconds

        cutter = tokenizer(model.entry)
        windows.require_room(model, cutter, ("document", *own), size)
        texts, first = windows.cut(texts, cutter, size, values.passages.stride)
    sides: dict[str, tuple[Side, list[str]]] = {
        "documents": ("document", texts),
        "queries": ("query", list(queries.values())),
        **{name: (name, texts) for name in own},
    }
    encoded = shards.encode(model, sides, folder, label=label, engine=values.engine)
    # Where the scratch has all vectors nobody has loaded the model, though its present entry may not fit it.
    if not encoded.computed and not gate.note(model, gate.ENCODER).is_file():
        _opened(model)
    for name, tokens in encoded.first.items():
        asked = name == "queries"
        ids = pd.DataFrame({"query_id": list(queries)} if asked else {"family_id": list(documents)}, dtype="str")
        vectors.describe(folder / f"{name}.npy", ids, first if tokens is None and not asked else tokens)
    return encoded


def _opened(model: Specification) -> Specification:
    """The model, loaded and tested."""
    from patent_embeddings.encoders import factory, loading  # torch, which takes seconds

    with loading.offline():
        return factory.opened(model)


def require_text(texts: Iterable[str], landscape: str, view: str) -> None:
    """Raise UserError where no family of the landscape has any text in the view."""
    if not any(texts):
        what = f"view {view!r} has no text in landscape {landscape!r} (its families lack the sections)"
        show = f"`python -m stages.landscape show {landscape}` lists the sections present"
        raise UserError(f"{what}; choose another view, {show}")
