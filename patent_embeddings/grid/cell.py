"""Identity of a cell: its name, its digest, its baseline, and which of its options each system depends on.

Everything that names cells, distinguishes them or looks them up does it here. The words for a cell are for people;
nothing is parsed out of them. DVC's run cache, the scratch and checkpoints are not keyed by cells but by what a stage
reads (`keys`), since several cells may share them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from patent_embeddings.core.params import Params
from patent_embeddings.encoders.entries import model_entry
from patent_embeddings.evaluation.systems import CLUSTERING, RETRIEVAL
from patent_embeddings.grid.keys import ENGINES, flat, ordered, reranks_in, settled, usual
from patent_embeddings.grid.wording import WORDS
from patent_embeddings.pairs.entries import Recipe, recipe_entry

ZERO_SHOT = "zero-shot"
SIDES = ("query_view", "document_view")
Options = tuple[tuple[str, Any], ...]  # dotted keys of params.yaml and their values, lists as tuples

# Blocks of params.yaml that a system's outcomes do not depend on; a retrieval system that is not named depends on all.
_UNREAD = {"dense": ("bm25", "fuse", "rerank"), "rrf": ("rerank",), "interpolation": ("rerank",)}
# Classification and clustering use the document vectors as they are embedded, whole and not centred.
_UNREAD_BY_LABELS = ("bm25", "search", "fuse", "rerank")
_LEXICAL = ("bm25", "tasks")  # all that BM25 depends on
_DTYPE, _LENGTH, _RERANK_DTYPE = "embed.dtype", "embed.length", "rerank.dtype"
# Not among the options of a `Config`: its other fields, and what only sets where, on which queries and with which seed
# a cell is scored.
_NO_OPTION = {
    "model", "recipe", "landscape", "evaluate_on", "query_view", "document_view", "search.dimensions", "tasks.fold",
    "finetune.seed", "finetune.held_out", *ENGINES,
}  # fmt: skip


@dataclass(frozen=True)
class Config:
    """Configuration of a cell without its training seed and fold; comparisons are between configurations.

    `trained_on` is sorted, and empty for zero-shot. `dimensions` is 0 where all are kept. `options` are the other
    values that differ from params.yaml, sorted by key.
    """

    model: str
    recipe: str
    trained_on: tuple[str, ...]
    query_view: str
    document_view: str
    dimensions: int = 0
    options: Options = ()

    @classmethod
    def of(cls, params: Params, base: Mapping[str, Any]) -> Config:
        """The configuration of a cell; `base` is params.yaml by dotted key (`flat`)."""
        recipe = recipe_entry(params.recipe)
        embed = params.embed.model_copy(update={"dtype": base.get(_DTYPE), "length": base.get(_LENGTH)})
        # What params.yaml leaves to the entries is what those of this cell's model and reranker say.
        left = flat(decisive(params.model_copy(update={"embed": embed}), recipe))
        before = {**base, **{key: left.get(key) for key in (_DTYPE, _LENGTH, _RERANK_DTYPE)}}
        changed = {key: value for key, value in flat(decisive(params, recipe)).items() if before.get(key) != value}
        return cls(
            params.model, params.recipe, tuple(params.trained_on(recipe)), params.query_view, params.document_view,
            params.search.dimensions or 0, options({key: changed[key] for key in changed.keys() - _NO_OPTION}),
        )  # fmt: skip

    @cached_property
    def words(self) -> tuple[str, str, str, str, str, int, str]:
        """Its fields as files show them, in the order of `COLUMNS`; configurations are sorted by them."""
        sources, shown = "+".join(self.trained_on), " ".join(said(key, value) for key, value in self.options)
        return (self.model, self.recipe, sources, self.query_view, self.document_view, self.dimensions, shown)

    @property
    def views(self) -> str:
        """Its view, or both where query and document views differ."""
        same = self.query_view == self.document_view
        return self.query_view if same else f"{self.query_view} to {self.document_view}"

    @property
    def extra(self) -> list[str]:
        """Its dimensions and options in words for people."""
        cut = [f"vectors cut to {self.dimensions}"] if self.dimensions else []
        return [*cut, *(worded(key, value) for key, value in self.options)]

    @property
    def label(self) -> str:
        """Its name in files: model, recipe, training landscapes, views, and options as `key=value`."""
        cut = [f"{self.dimensions} dimensions"] if self.dimensions else []
        return " ".join(word for word in (*self._short, *cut, self.words[-1]) if word)

    @property
    def title(self) -> str:
        """Its name for people: as `label`, with the options in words."""
        return ", ".join([" ".join(filter(None, self._short)), *self.extra])

    @property
    def _short(self) -> tuple[str, ...]:
        return (*self.words[:3], self.views)

    @property
    def base(self) -> Config:
        """The zero-shot cell that a fine-tuned cell is compared with; a zero-shot cell's is itself."""
        return replace(self, recipe=ZERO_SHOT, trained_on=(), options=self.untrained)

    @property
    def untrained(self) -> Options:
        """Its options without those of training and of the adapter."""
        return tuple((key, value) for key, value in self.options if not of_training(key))

    def read_by(self, system: str) -> Config:
        """The configuration without what the outcomes of a system do not depend on."""
        kept = replace(self, options=tuple((key, value) for key, value in self.options if reads(system, key)))
        # Only documents are classified and clustered, in all their dimensions.
        return kept if system in RETRIEVAL else replace(kept, query_view=self.document_view, dimensions=0)

    @property
    def lexical(self) -> Config:
        """The configuration for BM25, which depends on no model and no recipe."""
        return replace(self.read_by("bm25"), model="bm25", recipe="", trained_on=(), dimensions=0)

    def without(self, *names: str) -> Config:
        """The configuration with some fields blank, so that cells which differ in nothing else are equal."""
        return replace(self, **{name: getattr(_BLANK, name) for name in names})

    def only(self, *names: str) -> Config:
        """The configuration with all but some fields blank."""
        return self.without(*(name for name in FIELDS if name not in names))

    def __hash__(self) -> int:
        return hash(self.words)

    def __lt__(self, other: Config) -> bool:
        return self.words < other.words


_BLANK = Config("", "", (), "", "")
FIELDS = tuple(one.name for one in fields(Config))
COLUMNS = ("model", "recipe", "trained_on", "query_view", "document_view", "dimensions", "variant")  # of `Config.words`


@dataclass(frozen=True)
class Cell:
    """A cell to compute: the name of its experiment, what it changes in params.yaml, and all its parameters."""

    name: str
    overrides: dict[str, Any] = field(hash=False)  # by dotted key
    params: Params = field(repr=False, compare=False)

    @classmethod
    def over(cls, base: Params, params: Params, keys: Iterable[str]) -> Cell:
        """A cell over params.yaml (`base`), of which it may change some dotted keys; equal values change nothing."""
        before, now = (flat(ordered(one).model_dump(mode="json")) for one in (base, params))
        changed = {key: now[key] for key in keys if now[key] != before[key]}
        return cls(_name(params, changed, before), changed, params)

    @property
    def told(self) -> dict[str, Any]:
        """What it changes that can change an outcome."""
        return {key: value for key, value in self.overrides.items() if key not in ENGINES}


def _name(params: Params, changed: Mapping[str, Any], keys: Iterable[str]) -> str:
    """`minilm-r1-sim-alpha-ta-fold3`: model, recipe, training landscape, and what else differs from params.yaml.

    A key is shortened to its last part where no other key ends in it.
    """
    ends = Counter(key.split(".")[-1] for key in keys)
    parts = [params.model, params.recipe]
    if params.recipe != ZERO_SHOT and recipe_entry(params.recipe).landscapes == "home":
        parts.append(params.landscape)
    if set(changed) & set(SIDES):
        parts.append(_sides(params))
    for key, value in changed.items():
        if key not in ("model", "recipe", "landscape", *SIDES, *ENGINES):
            words = "-".join(str(one).lower() for one in (value if isinstance(value, list) else [value]))
            end = key.split(".")[-1]
            parts.append(("on-" if key == "evaluate_on" else end if ends[end] == 1 else key.replace(".", "-")) + words)
    return re.sub(r"[^A-Za-z0-9-]+", "_", "-".join(parts))


def full_name(params: Params, recipe: Recipe | None = None) -> str:
    """`minilm-r3-sim-alpha-tac-fold0`: a name that does not depend on params.yaml, used in reports/expected.csv.

    `recipe` is its entry; the registry's where none is given.
    """
    sources = params.trained_on(recipe or recipe_entry(params.recipe))
    words = [params.model, params.recipe, *(["+".join(sources)] if sources else []), _sides(params)]
    return "-".join([*words, f"fold{params.tasks.fold}"])


def _sides(params: Params) -> str:
    return "-to-".join(dict.fromkeys((params.query_view, params.document_view)))


def digest(params: Params, recipe: Recipe | None = None) -> str:
    """Twelve hexadecimal digits of the parameters that the outcomes of a cell depend on.

    Options at the default of their schema are left out, so that a new option does not change the digest of older cells
    and their expected scores are still found. `recipe` is its entry; the registry's where none is given.
    """
    content = json.dumps(decisive(params, recipe or recipe_entry(params.recipe), defaults=False), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def decisive(params: Params, recipe: Recipe, *, defaults: bool = True) -> dict[str, Any]:
    """The parameters that the outcomes of a cell depend on, with the types of number that entries decide filled in.

    A length that is that of the model's entry is left to it. Without `defaults`, options at the default of their schema
    are left out. Raises UserError where the model or reranker is in no registry.
    """
    values = settled(usual(params)).model_dump(mode="json", exclude_defaults=not defaults)
    model = model_entry(params.model)
    if model.kept(params.embed.length) == model.kept(None):
        values["embed"]["length"] = None
    if params.rerank.model and (defaults or reranks_in(params) != values["embed"]["dtype"]):
        values["rerank"]["dtype"] = reranks_in(params)
    return only(values, lambda key: used(params, bool(recipe.signals), recipe.landscapes == "home", key))


def used(params: Params, trains: bool, at_home: bool, key: str) -> bool:
    """Whether a dotted key of params.yaml can change any outcome of a cell.

    `trains`: its recipe trains; `at_home`: on the cell's own landscape only.
    """
    if key == "landscape":
        return trains and at_home
    if of_training(key):
        return trains and not (at_home and key == "finetune.held_out")
    if key in ("embed.passages.stride", "search.passages"):
        return params.embed.passages.tokens is not None
    if key in ("rerank.system", "rerank.depth"):
        return params.rerank.model is not None
    return True


def only(values: Mapping[str, Any], wanted: Callable[[str], bool], above: str = "") -> dict[str, Any]:
    """Nested parameters whose dotted key is wanted; blocks of which nothing is left are dropped."""
    kept: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            if inner := only(value, wanted, f"{above}{key}."):
                kept[key] = inner
        elif wanted(above + key):
            kept[key] = value
    return kept


def of_training(key: str) -> bool:
    """Whether an option matters to fine-tuned cells only."""
    return key.startswith("finetune.") or key == "embed.adapter_scale"


def reads(system: str, key: str) -> bool:
    """Whether an option can change a system's outcomes."""
    block = key.partition(".")[0]
    if system == "bm25":
        return block in _LEXICAL
    if system in RETRIEVAL:
        return block not in ("metrics", *_UNREAD.get(system, ()))
    # What is ranked changes no label; `metrics` is the seed and number of runs of k-means.
    return (block not in _UNREAD_BY_LABELS and key != "tasks.pool") and (block != "metrics" or system in CLUSTERING)


def options(values: Mapping[str, Any]) -> Options:
    """Options from values by dotted key, sorted; lists become tuples."""
    return tuple((key, tuple(one) if isinstance(one, list) else one) for key, one in sorted(values.items()))


def said(key: str, value: Any) -> str:
    """An option as files show it: `key=value`."""
    return f"{key}={list(value) if isinstance(value, tuple) else value}"


def worded(key: str, value: Any) -> str:
    """An option in words for people; `key=value` where it has none."""
    return WORDS[key](value) if key in WORDS else said(key, value)
