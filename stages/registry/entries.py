"""Types of the registry entries; every field is documented where it is declared."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class Entry(BaseModel):
    """A registry block: frozen, and unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


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


Signal = Literal["citation", "cross-field", "label", "section"]


class Recipe(Entry):
    """A fine-tuning recipe: which training signals it draws pairs from, and how it trains on them."""

    description: str
    signals: list[Signal] = []  # empty: zero-shot; several: equal shares
    sections: tuple[str, str] = ("abstract", "claims")  # that a section pair joins
    label_set: str = "ipc-subclass"  # that a label pair shares a label of
    # all: pairs from every landscape of evaluate_on that finetune.held_out does not name, balanced in every batch.
    landscapes: Literal["home", "all"] = "home"
    # Of several landscapes: train an adapter on each one's part of every batch, and keep the mean of what they change.
    merge: bool = False
    # Weight in the loss of 1 - cosine between the tuned and the zero-shot vector of a text, mean over the texts.
    anchor: Annotated[float, Field(ge=0)] = 0.0
    # Leave out of the negatives what the zero-shot model finds more similar to a text than its pair.
    guide: bool = False
    # Weight that the trained adapter is kept with; dev: that of four which has the lowest loss on the dev pairs.
    scale: Literal["dev"] | float | None = None

    @property
    def plain(self) -> bool:
        """Whether it trains as the study's recipes do, which its findings are about."""
        guarded = self.anchor or self.guide or self.scale or self.landscapes == "all"
        return not guarded and "cross-field" not in self.signals

    @field_validator("scale", mode="before")
    @classmethod
    def _part(cls, scale: Any) -> Any:
        if scale in (None, "dev") or (isinstance(scale, float) and 0 < scale < 1):
            return scale
        raise ValueError("it is `dev`, or a number above 0 and below 1")

    @model_validator(mode="after")
    def _trains(self) -> Recipe:
        if not self.signals and not self.plain:
            raise ValueError("it says how to train, and there are no `signals` to train on")
        if self.merge and (self.landscapes == "home" or self.scale == "dev"):
            raise ValueError("`merge` is for `landscapes: all`, and without `scale: dev`")
        return self


Section = Literal["title", "abstract", "claims", "claim1", "description"]


class View(Entry):
    """A text made of sections of a family."""

    description: str
    sections: Annotated[list[Section], Field(min_length=1)]  # joined by one newline, an absent one left out
    study: str | None = None  # the study's view that this one stands for


class _Landscape(Entry):
    """What every landscape's entry has."""

    description: str
    licence: str
    relevance: Literal["cited", "linked"] = "cited"

    @property
    def simulated(self) -> bool:
        """Whether the families are generated, and scores say nothing about real patents."""
        return False


class Simulated(_Landscape):
    """A seeded generator of families with planted structure."""

    source: Literal["simulated"]
    seed: int
    families: Annotated[int, Field(ge=50)]
    # Mean families that apply one idea, which is a mechanism with its details.
    idea_families: Annotated[float, Field(ge=2)] = 12.0
    # Share of ideas that add a second mechanism, and its label.
    combined: Annotated[float, Field(ge=0, le=1)] = 0.25
    # Share of the mechanism wording that is the same in all fields; at 1 only names of parts and places differ.
    cross_field_overlap: Annotated[float, Field(ge=0, le=1)] = 0.55
    # Share of the mechanism wording that is the same in all landscapes; in the rest the same words mean other mechanisms.
    wording_overlap: Annotated[float, Field(ge=0, le=1)] = 0.75
    # How often title and abstract name what the claims always name, instead of hinting at it.
    abstract_detail: Annotated[float, Field(ge=0, le=1)] = 0.5
    citations_in: Annotated[float, Field(ge=0)] = 3.0  # most citations of a family within idea and field, mean
    citations_out: Annotated[float, Field(ge=0)] = 0.5  # and within the idea, to other fields
    citations_noise: Annotated[float, Field(ge=0)] = 0.1  # and to any other idea

    @property
    def simulated(self) -> bool:
        """Always."""
        return True


class Table(_Landscape):
    """The user's own file, as `python -m stages.landscape add` took it."""

    source: Literal["table"]
    file: Annotated[str, Field(pattern=r"^data/raw/[a-z0-9-]+(\.[a-z]+)+$")]  # tracked by DVC
    sha256: Sha256


class Kista(_Landscape):
    """A landscape of a KISTA patent trend report, a CSV file of a public GitHub repository."""

    source: Literal["kista"]
    commit: Commit
    file: Annotated[str, Field(pattern=r"^[a-z_]+\.csv$")]  # in the repository's `data`
    sha256: Sha256


class HistoricUs(_Landscape):
    """US full texts of the 19th century, example data of a package's source distribution."""

    source: Literal["historic-us"]
    project: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]  # as package indexes name it
    version: Annotated[str, Field(pattern=r"^[0-9.]+$")]
    sha256: Sha256  # of the source distribution


class Hub(_Landscape):
    """A dataset of the Hugging Face hub at a pinned revision, with judgements of its own."""

    source: Literal["hub"]
    layout: Literal["dapfam", "nano", "patenteb"]  # how its files are arranged
    hub: str
    revision: Commit | None  # full commit; null: none pinned
    files: dict[str, Sha256] = {}  # hashes of its files, where known, beside the commit's own
    split: str | None = None  # nano: which of the dataset's splits
    scope: Literal["in", "out", "unknown"] = "unknown"  # nano, patenteb: of every positive; dapfam says it itself
    descriptions: bool = False  # dapfam: read these as well, nearly all of its bytes
    gated: bool = False
    unverified: list[str] = []  # fields whose value nobody here has checked at the source

    @model_validator(mode="after")
    def _whole(self) -> Hub:
        if not self.revision and "revision" not in self.unverified:
            raise ValueError("needs a full `revision`, or `revision` among `unverified`")
        if (self.layout == "nano") != (self.split is not None):
            raise ValueError("`layout: nano` and `split` go together")
        return self


Landscape = Annotated[Simulated | Table | Kista | HistoricUs | Hub, Field(discriminator="source")]
