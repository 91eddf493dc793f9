"""Values of params.yaml and of registry entries that the ranking stages read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from patent_embeddings.core.params import Bm25, Fuse, Identifier, Search, Values
from patent_embeddings.encoders.values import Weights

Pool = Literal["all", "earlier"]


class Bm25Values(Values):
    """The stage `bm25`."""

    query_view: Identifier
    document_view: Identifier
    pool: Pool = Field(alias="tasks.pool")
    bm25: Bm25


class SearchValues(Values):
    """The stage `search`."""

    pool: Pool = Field(alias="tasks.pool")
    similarity: Literal["cosine", "dot", "maxsim"] = Field(alias="model.similarity")
    window: int | None = Field(alias="embed.passages.tokens")  # of passages; None: one vector a document
    engine: Literal["local", "ray"] = Field("local", alias="search.engine")
    search: Search


class FuseValues(Values):
    """The stage `fuse`."""

    pool: Pool = Field(alias="tasks.pool")
    threshold: int = Field(alias="landscape.threshold")
    cross_fitted: int | None  # seed of the folds that it is tuned over; None: it is tuned on dev
    fuse: Fuse


class RerankValues(Values):
    """The stage `rerank`."""

    query_view: Identifier
    document_view: Identifier
    dtype: Literal["float32", "bfloat16", "auto"] = Field(alias="reranks_in")
    reranker: Weights | None  # None: no second stage
    system: Literal["bm25", "dense", "rrf", "interpolation"] = Field(alias="rerank.system")
    depth: int = Field(alias="rerank.depth")
