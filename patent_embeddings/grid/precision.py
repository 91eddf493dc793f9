"""The type of number that a cell's model and reranker compute in: of params.yaml, or else of their entries."""

from __future__ import annotations

from patent_embeddings.core.params import Params
from patent_embeddings.encoders.entries import model_entry, reranker_entry


def embeds_in(model: str, asked: str | None) -> str:
    """Type of number that a model embeds in: the one asked for, or else that of its entry."""
    return asked or str(model_entry(model).dtype)


def settled(params: Params) -> Params:
    """The parameters with `embed.dtype` filled in."""
    own = params.embed.model_copy(update={"dtype": embeds_in(params.model, params.embed.dtype)})
    return params.model_copy(update={"embed": own})


def reranks_in(params: Params) -> str:
    """Type of number that the reranker scores in: that of params.yaml, or else of the reranker's entry."""
    model = params.rerank.model
    return params.embed.dtype or (reranker_entry(model).dtype if model else "float32")
