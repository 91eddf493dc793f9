"""Parameters and registry fields that the stage `metrics` reads."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from patent_embeddings.core.params import Metrics, Search, Values


class MetricsValues(Values):
    """Values of the stage `metrics`."""

    pool: Literal["all", "earlier"] = Field(alias="tasks.pool")
    similarity: Literal["cosine", "dot", "maxsim"] = Field(alias="model.similarity")
    window: int | None = Field(alias="embed.passages.tokens")  # length of a passage; None: one vector a document
    simulated: bool = Field(alias="landscape.simulated")
    relevance: Literal["cited", "linked", "judged"] = Field(alias="landscape.relevance")
    threshold: int = Field(alias="landscape.threshold")
    search: Search
    metrics: Metrics
