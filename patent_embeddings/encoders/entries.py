"""Entries of `registry/models.yaml` and `registry/rerankers.yaml`; every field is documented where it is declared."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from patent_embeddings.core import registry
from patent_embeddings.core.entries import Commit, Entry, Sha256

Side = Literal["query", "document", "classification", "clustering"]
Frozen = Literal["float32", "bfloat16", "nf4"]


class Prompts(Entry):
    """What is put before a text. Empty: nothing."""

    query: str = ""
    document: str = ""
    classification: str | None = None  # None: classified on the document vectors
    clustering: str | None = None  # None: clustered on the document vectors


class Tasks(Entry):
    """Names of the model's own tasks, for models that switch adapters by task and not by prompt."""

    query: str
    document: str
    classification: str
    clustering: str


class Plan(Entry):
    """How a model of some size fits one accelerator of 80 GB, in tuning and in encoding."""

    weights: Literal["float32", "bfloat16", "nf4"]  # of the frozen weights in tuning; nf4: QLoRA
    checkpointing: bool  # recompute activations in the backward pass
    tokens: int  # of a batch in encoding, padding included


class Expected(Entry):
    """A score that others measured over all queries of a landscape with the settings of an entry."""

    landscape: str
    view: str  # of queries and documents
    length: Annotated[int, Field(gt=0)]  # tokens kept
    scope: Literal["all", "in", "out"] = "all"
    metric: str  # of the dense run, as ir-measures writes it
    value: Annotated[float, Field(gt=0, le=1)]
    source: str


class Weights(Entry):
    """Where a model's weights are, and on which terms."""

    source: Literal["package", "hub", "folder"]
    package: str | None = None  # importable package that carries the weights
    path: str | None = None  # folder of weights, inside the package or on disk; $VARIABLES are expanded
    hub: str  # hub id; for `package` and `folder` what the weights are a copy of
    revision: Commit | None = None  # full commit on the hub; null: none pinned
    weights: dict[str, Sha256] = {}  # file: sha256, checked before loading
    digest: Sha256 | None = None  # of a folder on disk, as loading it says; a `folder` model is not loaded without
    # Parts that weights and architecture do not share on purpose, by a piece of their tensors' names, such as `pooler`:
    # their tensors may be missing, and are then not numbers, or be of no layer.
    left_out: list[Annotated[str, Field(min_length=1)]] = []
    parameters: Annotated[float, Field(gt=0)]  # millions
    max_length: Annotated[int, Field(gt=0)]  # tokens that the model takes
    length: Annotated[int, Field(gt=0)]  # tokens that texts are cut to in evaluation
    remote_code: bool = False
    licence: str
    gated: bool = False
    unverified: list[str] = []  # fields whose value nobody here has checked at the source

    def kept(self, asked: int | None) -> int:
        """Tokens that are kept of a text where `asked` are asked for; None asks for the evaluation length."""
        return min(asked or self.length, self.max_length)

    @model_validator(mode="after")
    def _located(self) -> Weights:
        if self.source == "package" and not (self.package and self.path):
            raise ValueError("a `package` model needs `package` and `path`")
        if self.source == "folder" and not self.path:
            raise ValueError("a `folder` model needs `path`")
        if self.source == "hub" and not self.revision and "revision" not in self.unverified:
            raise ValueError("a `hub` model needs a full `revision`, or `revision` among `unverified`")
        if self.length > self.max_length:
            raise ValueError(f"`length` {self.length} is more than `max_length` {self.max_length}")
        unknown = sorted(set(self.unverified) - set(type(self).model_fields))
        if unknown:
            raise ValueError(f"`unverified` names no field: {unknown[0]}")
        return self


class Model(Weights):
    """An embedding model: its weights and how its vectors are read out."""

    encoder: Literal["dense", "late"] = "dense"
    family: str  # models of one family differ in size only
    dimension: Annotated[int, Field(gt=0)]  # of a vector (late: of a token's vector)
    query_length: int | None = None  # late: tokens of a query; null: as documents
    prompts: Prompts = Prompts()
    tasks: Tasks | None = None
    pooling: Literal["mean", "cls", "last", "latent", "tokens"]
    head: bool = False  # a dense layer after pooling
    padding: Literal["left", "right"] = "right"
    precision: Literal["float32", "bfloat16", "float16"] = "float32"  # that the authors evaluate in
    similarity: Literal["cosine", "dot", "maxsim"] = "cosine"
    contamination: str | None = None  # known or possible overlap of training data with a benchmark
    study: str | None = None  # its row in the study's table
    memory: Plan | None = None  # null: by size
    expected: list[Expected] = []  # a cell that matches one says whether it reproduces it within 2 %

    @property
    def plan(self) -> Plan:
        """How tuning and encoding fit one accelerator: the entry's own plan, or one by size."""
        if self.memory:
            return self.memory
        if self.parameters < 500:
            return Plan(weights="float32", checkpointing=False, tokens=131072)
        if self.parameters < 2000:
            return Plan(weights="bfloat16", checkpointing=True, tokens=65536)
        return Plan(weights="nf4", checkpointing=True, tokens=16384)

    @model_validator(mode="after")
    def _consistent(self) -> Model:
        if (self.encoder == "late") != (self.pooling == "tokens") or (self.encoder == "late") != (
            self.similarity == "maxsim"
        ):
            raise ValueError("`encoder: late`, `pooling: tokens` and `similarity: maxsim` go together")
        return self


class Reranker(Weights):
    """A cross-encoder: reads query and document together and scores the pair."""


def model_entry(name: str) -> Model:
    """Entry of a model. Raises UserError where the id is unknown or the entry is wrong."""
    return registry.entry("models", name, Model)


def reranker_entry(name: str) -> Reranker:
    """Entry of a cross-encoder. Raises UserError where the id is unknown or the entry is wrong."""
    return registry.entry("rerankers", name, Reranker)
