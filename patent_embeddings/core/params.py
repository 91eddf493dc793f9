"""Typed params.yaml: the only reader of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import read_json, read_yaml

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
Positive = Annotated[int, Field(gt=0)]


class Block(BaseModel):
    """A block of params.yaml: frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Values(BaseModel):
    """What one stage reads of params.yaml and of the registry: `check` resolves it, and it is part of the stage's key.

    A field's alias says where its value comes from: a key of params.yaml (`tasks.pool`), or what `grid.keys` names
    beside those, such as an entry (`model`) or a field of one (`model.similarity`); without an alias it is the field's
    name. A field that is a model itself takes what its own type declares and nothing else.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, protected_namespaces=())


V = TypeVar("V", bound=Values)


def resolve(type_: type[V], source: Callable[[str], Any]) -> dict[str, Any]:
    """A stage's values as plain JSON, defaults filled in.

    Args:
        type_: the stage's class of values.
        source: what an alias begins with, such as `tasks` or `model`, to a block of params.yaml, an entry or a value.
    """
    found = {}
    for name, field in type_.model_fields.items():
        first, *rest = (field.alias or name).split(".")
        value = source(first)
        for part in rest:
            value = getattr(value, part)
        found[name] = _attributes(value)
    return type_.model_validate(found, from_attributes=True).model_dump(mode="json")


class _Attributes:
    """A model that a field's type is read out of, whatever else it has."""

    def __init__(self, model: BaseModel) -> None:
        self.__dict__.update({name: getattr(model, name) for name in type(model).model_fields})


def _attributes(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _Attributes(value)
    return {key: _attributes(one) for key, one in value.items()} if isinstance(value, dict) else value


def read(stage: str, type_: type[V], landscape: str = layout.CELL) -> V:
    """Values of a stage as `check` wrote them: all of them, and none that the file does not hold.

    Raises UserError where `check` has not run, or its file is damaged or of another version of the code.
    """
    path = layout.values(stage, landscape)
    if landscape != layout.CELL and not path.exists():
        mend = f"`dvc repro` writes one for each landscape that evaluate_on of {layout.PARAMS} names"
        raise UserError(f"{path}: no such file; {mend}")
    held = read_json(path)
    again = "`dvc repro check` writes it again"
    try:
        values = type_.model_validate(held)
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error)}; {again}") from None
    # A default of the code must not stand in for what the key does not say.
    if values.model_dump(mode="json") != held:
        raise UserError(f"{path}: not what this version of the stage {stage} reads; {again}")
    return values


class Tasks(Block):
    """Splits and pool."""

    seed: int
    fold: Annotated[int, Field(ge=0, le=4)]
    pool: Literal["all", "earlier"]


class Finetune(Block):
    """Training of the adapter."""

    seed: int
    pairs: Positive
    steps: Positive
    batch: Annotated[int, Field(ge=2)]
    length: Positive
    rate: Annotated[float, Field(gt=0)]
    rank: Positive
    evaluations: Positive
    held_out: list[Identifier] = []


class Passages(Block):
    """Windows that documents are cut into; off where `tokens` is null."""

    tokens: Positive | None = None
    stride: Positive = 32


class Embed(Block):
    """Encoding."""

    dtype: Literal["float32", "bfloat16", "auto"] | None  # None: as the model's entry says
    length: Positive | None
    adapter_scale: Annotated[float, Field(ge=0, le=1)]
    engine: Literal["local", "ray"]
    passages: Passages = Passages()


class Bm25(Block):
    """Lexical retrieval."""

    k1: Annotated[float, Field(ge=0, le=1000)]  # beyond, no score is left of float32
    b: Annotated[float, Field(ge=0, le=1)]
    query_side: bool = False
    depth: Positive


class Search(Block):
    """Dense retrieval."""

    dimensions: Positive | None
    centre: Literal["none", "landscape"] = "none"
    passages: Literal["best", "top3"] = "best"
    depth: Positive


class Searching(Search):
    """Dense retrieval, and what computes it, which decides no score."""

    engine: Literal["local", "ray"] = "local"


class Fuse(Block):
    """Fusion of the two runs."""

    metric: Literal["nDCG@10", "nDCG@100", "R@100", "AP", "RR"]
    rrf_k: Annotated[list[Positive], Field(min_length=1)]
    weights: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1)]
    depth: Positive


class Rerank(Block):
    """Second stage over the best of one run; off where no model is named."""

    model: Identifier | None = None
    system: Literal["bm25", "dense", "rrf", "interpolation"] = "rrf"
    depth: Positive = 100


class Metrics(Block):
    """Scores and their intervals."""

    seed: int
    clusterings: Positive


class _Recipe(Protocol):
    @property
    def signals(self) -> Sequence[str]: ...
    @property
    def landscapes(self) -> str: ...


class Params(Block):
    """The whole of params.yaml, one cell."""

    model: Identifier
    recipe: Identifier
    landscape: Identifier
    evaluate_on: Annotated[list[Identifier], Field(min_length=1)]
    query_view: Identifier
    document_view: Identifier
    tasks: Tasks
    finetune: Finetune
    embed: Embed
    bm25: Bm25
    search: Searching
    fuse: Fuse
    rerank: Rerank = Rerank()
    metrics: Metrics

    def trained_on(self, recipe: _Recipe) -> list[str]:
        """Landscapes that the recipe draws its pairs from: none, the cell's own, or all that are not held out."""
        if not recipe.signals:
            return []
        if recipe.landscapes == "home":
            return [self.landscape]
        return sorted(set(self.evaluate_on) - set(self.finetune.held_out))


def load() -> Params:
    """Read params.yaml of the current folder. Raises UserError where it is absent, or a key is unknown or wrong."""
    try:
        return Params.model_validate(read_yaml(layout.PARAMS))
    except ValidationError as error:
        raise UserError(f"{layout.PARAMS}: {explain(error)}") from None


def explain(error: ValidationError) -> str:
    """The first fault of a pydantic error in one line: where it is and what is wrong."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "top level"
    pattern = "String should match pattern '^[a-z0-9-]+$'"
    message = first["msg"].replace(pattern, "ids are made of a-z, 0-9 and '-' only")
    rest = error.error_count() - 1
    return f"{where}: {message} (got {first['input']!r:.80})" + (f", and {rest} more" if rest else "")
