"""The typed configuration: params.yaml, and the values that each stage reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.core.files import read_json, read_yaml

IDS = "ids are made of a-z, 0-9 and '-' only"
_BLOCK = "must be a block of keys"
# In place of pydantic's words for these kinds of fault.
CAUSES = {
    "dict_type": _BLOCK, "model_type": _BLOCK, "model_attributes_type": _BLOCK, "list_type": "must be a list: [a, b]",
    "string_type": "must be text; put it in quotes", "extra_forbidden": "no such key", "missing": "is missing",
}  # fmt: skip

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
Number = Annotated[float, Field(strict=True)]  # whole ones pass, `true` does not
Positive = Annotated[int, Field(gt=0, lt=1 << 31, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=1 << 32, strict=True)]  # numpy takes no others


class Block(BaseModel):
    """A block of params.yaml: frozen, unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Values(BaseModel):
    """The values that one stage reads from params.yaml and the registry; `check` writes the file it depends on.

    A field's alias says where its value comes from: a key of params.yaml (`tasks.pool`), or a source that `grid.keys`
    defines, such as an entry (`model`) or a field of it (`model.similarity`). Without an alias it is the field's name.
    A field whose type is a model takes only the fields which that type declares.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, protected_namespaces=())


V = TypeVar("V", bound=Values)


def resolve(type_: type[V], source: Callable[[str], Any]) -> dict[str, Any]:
    """A stage's values as plain JSON, with defaults filled in.

    Args:
        type_: the stage's class of values.
        source: maps the first part of an alias, such as `tasks` or `model`, to a block of params.yaml, an entry or a
            value.
    """
    values = {}
    for name, field in type_.model_fields.items():
        first, *rest = (field.alias or name).split(".")
        value = source(first)
        for part in rest:
            value = getattr(value, part)
        values[name] = value
    return type_.model_validate(values, from_attributes=True).model_dump(mode="json")


def read(stage: str, type_: type[V], landscape: str = layout.CELL) -> V:
    """Read a stage's values from the file that `check` wrote.

    Raises UserError if the file is absent or damaged, or does not hold exactly the values that this code reads.
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
    # A default must not fill in what the file lacks: it would not be in the stage's key.
    if values.model_dump(mode="json") != held:
        raise UserError(f"{path}: not what this version of the stage {stage} reads; {again}")
    return values


class Tasks(Block):
    """Splits and pool."""

    seed: Seed
    fold: Annotated[int, Field(ge=0, le=4, strict=True)]
    pool: Literal["all", "earlier"]


class Finetune(Block):
    """Training of the adapter."""

    seed: Seed
    pairs: Positive
    steps: Positive
    batch: Annotated[int, Field(ge=2, strict=True)]
    length: Positive
    rate: Annotated[Number, Field(gt=0, allow_inf_nan=False)]
    rank: Positive
    evaluations: Positive
    held_out: list[Identifier] = []


class Passages(Block):
    """Windows that documents are cut into; `tokens: null` turns them off."""

    tokens: Positive | None = None
    stride: Positive = 32


class Embed(Block):
    """Encoding."""

    dtype: Literal["float32", "bfloat16", "auto"] | None  # None: as the model's entry says
    length: Positive | None
    adapter_scale: Annotated[Number, Field(ge=0, le=1)]
    engine: Literal["local", "ray"]
    passages: Passages = Passages()


class Bm25(Block):
    """Lexical retrieval."""

    k1: Annotated[Number, Field(ge=0, le=1000)]  # above, float32 scores vanish
    b: Annotated[Number, Field(ge=0, le=1)]
    query_side: bool = False
    depth: Positive


class Search(Block):
    """Dense retrieval."""

    dimensions: Positive | None
    centre: Literal["none", "landscape"] = "none"
    passages: Literal["best", "top3"] = "best"
    depth: Positive


class Searching(Search):
    """Dense retrieval with its engine, which changes no score."""

    engine: Literal["local", "ray"] = "local"


class Fuse(Block):
    """Fusion of the two runs."""

    metric: Literal["nDCG@10", "nDCG@100", "R@100", "AP", "RR"]
    rrf_k: Annotated[list[Positive], Field(min_length=1)]
    weights: Annotated[list[Annotated[Number, Field(ge=0, le=1)]], Field(min_length=1)]
    depth: Positive


class Rerank(Block):
    """Reranking of the best results of one run; `model: null` turns it off."""

    model: Identifier | None = None
    system: Literal["bm25", "dense", "rrf", "interpolation"] = "rrf"
    depth: Positive = 100


class Metrics(Block):
    """Scores and their intervals."""

    seed: Seed
    clusterings: Positive


class _Recipe(Protocol):
    @property
    def signals(self) -> Sequence[str]: ...
    @property
    def landscapes(self) -> str: ...


class Params(Block):
    """The whole of params.yaml: one cell."""

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
        """Landscapes that the recipe trains on: none, the cell's own, or all of evaluate_on that are not held out."""
        if not recipe.signals:
            return []
        if recipe.landscapes == "home":
            return [self.landscape]
        return sorted(set(self.evaluate_on) - set(self.finetune.held_out))


def load() -> Params:
    """Read params.yaml in the current folder. Raises UserError if it is absent, or a key is unknown or wrong."""
    try:
        return Params.model_validate(read_yaml(layout.PARAMS))
    except ValidationError as error:
        raise UserError(f"{layout.PARAMS}: {explain(error, Params)}") from None


def explain(error: ValidationError, type_: Any = None) -> str:
    """The first fault of a pydantic error in one line: its place and what is wrong.

    `type_` is the model that was validated, if its keys are to be suggested for one that is unknown.
    """
    errors = error.errors()
    # A misspelt key comes before the one that it should be, which is missing.
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    kind, place, given = first["type"], first["loc"], first["input"]
    message = CAUSES.get(kind, first["msg"]).replace("String should match pattern '^[a-z0-9-]+$'", IDS)
    if kind == "extra_forbidden" and type_:
        for part in place[:-1]:
            type_ = type_.model_fields[part].annotation
        message += nearest(str(place[-1]), list(type_.model_fields))
    if kind not in ("missing", "extra_forbidden"):
        message += f" (got {given})" if isinstance(given, date) else f" (got {given!r:.80})"
    where, rest = ".".join(map(str, place)) or "top level", error.error_count() - 1
    return f"{where}: {message}" + (f", and {rest} more" if rest else "")
