"""Entries of `registry/models.yaml` and `registry/rerankers.yaml`.

The fields that computing stages read are in `values`. Those here are for pages, checks and the grid: changing one
reruns no stage that computes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from patent_embeddings.core import registry
from patent_embeddings.core.entries import Entry
from patent_embeddings.encoders.values import Embedder, Plan, Weights


class Expected(Entry):
    """A published score, over all queries of a landscape with the settings of an entry."""

    landscape: str
    view: str  # of queries and documents
    length: Annotated[int, Field(gt=0)]  # tokens kept
    scope: Literal["all", "in", "out"] = "all"
    metric: str  # of the dense run, as ir-measures writes it
    value: Annotated[float, Field(gt=0, le=1)]
    source: str


class Terms(Weights):
    """Fields of every entry that loading does not need: size, licence and access."""

    parameters: Annotated[float, Field(gt=0)]  # millions
    dtype: Literal["float32", "bfloat16", "auto"]  # where params.yaml names none; default: by `parameters`
    licence: str
    gated: bool = False

    def kept(self, asked: int | None) -> int:
        """Tokens that texts are cut to where params.yaml asks for `asked`; None: the entry's evaluation length."""
        return min(asked or self.length, self.max_length)

    @model_validator(mode="before")
    @classmethod
    def _sized(cls, block: Any) -> Any:
        """Fill in what follows from the model's size: `dtype`, and of an embedding model `memory`."""
        if not isinstance(block, dict):
            return block
        size = block.get("parameters")
        filled = {"dtype": "float32" if _small(size) else "auto", "memory": _plan(size)}
        own = {name: value for name, value in filled.items() if name in cls.model_fields and block.get(name) is None}
        return {**block, **own}

    @model_validator(mode="after")
    def _known(self) -> Terms:
        unknown = sorted(set(self.unverified) - set(type(self).model_fields))
        if unknown:
            raise ValueError(f"`unverified` names no field: {unknown[0]}")
        return self


class Model(Terms, Embedder):
    """An embedding model."""

    family: str  # models of one family differ in size only
    precision: Literal["float32", "bfloat16", "float16"] = "float32"  # that the authors evaluate in
    similarity: Literal["cosine", "dot", "maxsim"] = "cosine"
    contamination: str | None = None  # known or possible overlap of training data with a benchmark
    study: str | None = None  # its row in the study's table
    expected: list[Expected] = []  # a cell that matches one says whether it reproduces it within 2 %

    @model_validator(mode="after")
    def _consistent(self) -> Model:
        late = self.encoder == "late"
        if late != (self.pooling == "tokens") or late != (self.similarity == "maxsim"):
            raise ValueError("`encoder: late`, `pooling: tokens` and `similarity: maxsim` go together")
        return self


class Reranker(Terms):
    """A cross-encoder: reads query and document together and scores the pair."""


def _plan(parameters: Any) -> Plan:
    """The plan by which tuning and encoding fit one accelerator; `parameters` in millions, validated later."""
    if _small(parameters):
        return Plan(weights="float32", checkpointing=False, tokens=131072)
    if parameters < 2000:
        return Plan(weights="bfloat16", checkpointing=True, tokens=65536)
    return Plan(weights="nf4", checkpointing=True, tokens=16384)


def _small(parameters: Any) -> bool:
    """Whether a model is below half a billion parameters, `parameters` in millions."""
    return not isinstance(parameters, int | float) or parameters < 500


def model_entry(name: str) -> Model:
    """Entry of a model. Raises UserError where the id is unknown or the entry is wrong."""
    return registry.entry("models", name, Model)


def reranker_entry(name: str) -> Reranker:
    """Entry of a cross-encoder. Raises UserError where the id is unknown or the entry is wrong."""
    return registry.entry("rerankers", name, Reranker)
