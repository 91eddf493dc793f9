"""Values of the stages that load a model: fields of its registry entry, and of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from patent_embeddings.core.entries import Commit, Entry, Sha256
from patent_embeddings.core.params import Identifier, Passages, Values

Side = Literal["query", "document", "classification", "clustering"]
Frozen = Literal["float32", "bfloat16", "nf4"]
# Rows of `native.FORMS`: classes of transformers that weights are read into whose repository has code of its own.
Native = Literal[
    "gte", "nomic-bert", "nomic-moe", "xlm-roberta-rotary", "llama-both-directions", "qwen2-both-directions"
]

# Of a library, as pip takes them: comparisons with versions, between commas.
Versions = Annotated[str, Field(pattern=r"^(([=!~]=|[<>]=?)\d[\d.]*(\.\*)?(,|$))+$")]


class Prompts(Entry):
    """Text that is put before each text of a side."""

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
    """Settings by which a model fits one accelerator of 80 GB, in tuning and in encoding."""

    weights: Frozen  # of the frozen weights in tuning; nf4: QLoRA
    checkpointing: bool  # recompute activations in the backward pass
    tokens: int  # of a batch in encoding, padding included


class Weights(Entry):
    """Where a model's weights are, and how they may be loaded."""

    source: Literal["package", "hub", "folder"]
    package: str | None = None  # importable package that carries the weights
    path: str | None = None  # folder of weights, inside the package or on disk; $VARIABLES are expanded
    hub: str  # hub id; for `package` and `folder` what the weights are a copy of
    revision: Commit | None = None  # full commit on the hub; null: none pinned
    weights: dict[str, Sha256] = {}  # file: sha256, checked before loading
    digest: Sha256 | None = None  # of a folder on disk, as loading it says; a `folder` model is not loaded without
    # Parts of a network that weights may lack or have in excess, by a piece of their tensors' names, such as `pooler`;
    # missing tensors become NaN.
    left_out: list[Annotated[str, Field(min_length=1)]] = []
    max_length: Annotated[int, Field(gt=0)]  # tokens that the model takes
    # Tokens that texts are cut to: in an entry, where params.yaml asks for no other.
    length: Annotated[int, Field(gt=0)]
    remote_code: bool = False  # run code of the repository, where the user agrees
    native: Native | None = None  # instead: read the weights into this class of transformers
    libraries: dict[str, Versions] = {}  # that the repository's code is known to work with, such as transformers
    unverified: list[str] = []  # fields whose value nobody here has checked at the source

    @model_validator(mode="after")
    def _located(self) -> Weights:
        if self.source == "package" and not (self.package and self.path):
            raise ValueError("a `package` model needs `package` and `path`")
        if self.source == "folder" and not self.path:
            raise ValueError("a `folder` model needs `path`")
        if self.source == "hub" and not self.revision and "revision" not in self.unverified:
            raise ValueError("a `hub` model needs a full `revision`, or `revision` among `unverified`")
        if self.native and self.remote_code:
            raise ValueError("`native` runs no code of the repository and `remote_code: true` runs it: keep one")
        if self.length > self.max_length:
            raise ValueError(f"`length` {self.length} is more than `max_length` {self.max_length}")
        return self


class Words(Weights):
    """Fields that tokenizing takes."""

    prompts: Prompts = Prompts()
    padding: Literal["left", "right"] = "right"


class Embedder(Words):
    """Fields that loading a model and reading out its vectors takes."""

    encoder: Literal["dense", "late"] = "dense"
    dimension: Annotated[int, Field(gt=0)]  # of a vector (late: of a token's vector)
    query_length: int | None = None  # late: tokens of a query; null: as documents
    tasks: Tasks | None = None
    pooling: Literal["mean", "cls", "last", "latent", "tokens"]
    head: bool = False  # a dense layer after pooling
    memory: Plan  # an entry without one has that of its size


class LengthsValues(Values):
    """Values of the stage `lengths`."""

    model: Words  # its length is what texts are cut to here
    views: list[Identifier] = Field(alias="view_ids")


class EmbedValues(Values):
    """Values of the stage `embed`."""

    query_view: Identifier
    document_view: Identifier
    model: Embedder  # its length is what texts are cut to here
    trained: bool  # whether the recipe trains an adapter
    dtype: Literal["float32", "bfloat16", "auto"]  # where params.yaml names none that of the model's entry
    adapter_scale: float = Field(alias="embed.adapter_scale")
    engine: Literal["local", "ray"] = Field(alias="embed.engine")
    passages: Passages = Field(alias="embed.passages")
