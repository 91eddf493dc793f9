"""A cell as an object: its name, its digest, the cell that it is measured against, and what of it a system reads.

Whoever names cells, tells them apart or finds them again asks here. Words about a cell are for people: nothing is
ever read back out of them.
DVC's run cache, scratch and checkpoints hold what one stage made, which several cells may share: they are keyed by
what that stage reads (`keys`), not by a cell.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from patent_embeddings.core.params import Params
from patent_embeddings.evaluation.systems import RETRIEVAL
from patent_embeddings.grid.precision import embeds_in, settled
from patent_embeddings.grid.wording import WORDS
from patent_embeddings.pairs.entries import Recipe, recipe_entry

ZERO_SHOT = "zero-shot"
SIDES = ("query_view", "document_view")
Options = tuple[tuple[str, Any], ...]  # dotted keys of params.yaml and their values, lists as tuples

# Blocks of params.yaml that leave a system's outcomes as they are; what is not named reads all of them.
_UNREAD = {"dense": ("bm25", "fuse", "rerank"), "rrf": ("rerank",), "interpolation": ("rerank",), "reranked": ()}
_OF_LABELS = _UNREAD["dense"]  # classification and clustering look at the same vectors
_DTYPE = "embed.dtype"
_LEXICAL = ("bm25", "tasks")  # all that BM25 reads
# Fields of `Config`, and what only says where else, on which queries and by which luck a cell is scored.
_NO_OPTION = {
    "model", "recipe", "landscape", "evaluate_on", "query_view", "document_view", "search.dimensions", "tasks.fold",
    "finetune.seed", "finetune.held_out",
}  # fmt: skip


@dataclass(frozen=True)
class Config:
    """What makes a cell, its training seed and its fold aside: the sides of every comparison.

    `trained_on` is sorted, empty for zero-shot; 0 `dimensions` are all of them; `options` are whatever else differs
    from params.yaml, sorted by key.
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
        trained_on = tuple(params.trained_on(recipe_entry(params.recipe)))
        used = flat(decisive(settled(params), trained=bool(trained_on)))
        before = {**base, _DTYPE: embeds_in(params.model, base.get(_DTYPE))}
        others = {key: value for key, value in used.items() if key not in _NO_OPTION and before.get(key) != value}
        return cls(
            params.model, params.recipe, trained_on, params.query_view, params.document_view,
            params.search.dimensions or 0, options(others),
        )  # fmt: skip

    @cached_property
    def words(self) -> tuple[str, str, str, str, str, int, str]:
        """Its fields as files have them, `COLUMNS`; configurations are sorted by them."""
        sources, shown = "+".join(self.trained_on), " ".join(said(key, value) for key, value in self.options)
        return (self.model, self.recipe, sources, self.query_view, self.document_view, self.dimensions, shown)

    @property
    def views(self) -> str:
        """Its view, or its two."""
        same = self.query_view == self.document_view
        return self.query_view if same else f"{self.query_view} to {self.document_view}"

    @property
    def extra(self) -> list[str]:
        """In words for people what model, recipe and views do not say of it."""
        cut = [f"vectors cut to {self.dimensions}"] if self.dimensions else []
        return [*cut, *(worded(key, value) for key, value in self.options)]

    @property
    def label(self) -> str:
        """The cell as files have it: model, recipe, where it was trained, views, and what else differs by key."""
        cut = [f"{self.dimensions} dimensions"] if self.dimensions else []
        return " ".join(word for word in (*self._short, *cut, self.words[-1]) if word)

    @property
    def title(self) -> str:
        """The cell as people read it: as `label`, its options in words."""
        return ", ".join([" ".join(filter(None, self._short)), *self.extra])

    @property
    def _short(self) -> tuple[str, ...]:
        return (*self.words[:3], self.views)

    @property
    def base(self) -> Config:
        """The zero-shot cell that a tuned one is measured against; of a zero-shot cell itself."""
        return replace(self, recipe=ZERO_SHOT, trained_on=(), options=self.untrained)

    @property
    def untrained(self) -> Options:
        """Its options without those of training and its adapter."""
        return tuple((key, value) for key, value in self.options if not of_training(key))

    def read_by(self, system: str) -> Config:
        """The cell as a system sees it: without the options that leave its outcomes as they are."""
        return replace(self, options=tuple(one for one in self.options if reads(system, one[0])))

    @property
    def lexical(self) -> Config:
        """The cell as BM25 sees it, which no model and no recipe changes."""
        return replace(self.read_by("bm25"), model="bm25", recipe="", trained_on=(), dimensions=0)

    def without(self, *names: str) -> Config:
        """The cell but for some of its fields: cells that differ in nothing else are equal then."""
        return replace(self, **{name: getattr(_BLANK, name) for name in names})

    def only(self, *names: str) -> Config:
        """Some of its fields and nothing else."""
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
    """One cell to compute: name of its experiment, what it changes in params.yaml, and its whole parameters."""

    name: str
    overrides: dict[str, Any] = field(hash=False)  # by dotted key
    params: Params = field(repr=False, compare=False)

    @classmethod
    def over(cls, base: Mapping[str, Any], params: Params, changes: Mapping[str, Any]) -> Cell:
        """A cell over params.yaml, `base`: of `changes`, by dotted key as named, those of the base are left out."""
        before = flat(base)
        changed = {key: value for key, value in changes.items() if value != before[key]}
        return cls(_name(params, changed, list(before)), changed, params)


def _name(params: Params, changed: Mapping[str, Any], keys: Iterable[str]) -> str:
    """`minilm-r1-sim-alpha-ta-fold3`: model, recipe, where trained, and what else differs from params.yaml.

    A key is named by its last part, where no other key ends in it.
    """
    ends = Counter(key.split(".")[-1] for key in keys)
    parts = [params.model, params.recipe]
    if params.recipe != ZERO_SHOT and recipe_entry(params.recipe).landscapes == "home":
        parts.append(params.landscape)
    if set(changed) & set(SIDES):
        parts.append(_sides(params))
    for key, value in changed.items():
        if key not in ("model", "recipe", "landscape", *SIDES):
            words = "-".join(str(one).lower() for one in (value if isinstance(value, list) else [value]))
            end = key.split(".")[-1]
            parts.append(("on-" if key == "evaluate_on" else end if ends[end] == 1 else key.replace(".", "-")) + words)
    return re.sub(r"[^A-Za-z0-9-]+", "_", "-".join(parts))


def full_name(params: Params, recipe: Recipe | None = None) -> str:
    """`minilm-r3-sim-alpha-tac-fold0`: the same whatever params.yaml says, as reports/expected.csv has it.

    `recipe` is its entry; that of the registry unless given.
    """
    sources = params.trained_on(recipe or recipe_entry(params.recipe))
    words = [params.model, params.recipe, *(["+".join(sources)] if sources else []), _sides(params)]
    return "-".join([*words, f"fold{params.tasks.fold}"])


def _sides(params: Params) -> str:
    return "-to-".join(dict.fromkeys((params.query_view, params.document_view)))


def digest(params: Params, recipe: Recipe | None = None) -> str:
    """Twelve hexadecimal digits of the parameters that the outcomes of a cell depend on.

    Options that are off have no part in it, so that a new one leaves the expected scores of older cells theirs.
    `recipe` is its entry; that of the registry unless given.
    """
    trained = bool(params.trained_on(recipe or recipe_entry(params.recipe)))
    content = json.dumps(decisive(settled(params), trained, off=False), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def decisive(params: Params, trained: bool, off: bool = True) -> dict[str, Any]:
    """The parameters that the outcomes of a cell depend on; not where and how a model is trained that is not.

    Without `off` not the options that are as their schema has them unless said.
    """
    values = params.model_dump(mode="json", exclude_defaults=not off)
    if not trained:
        values["embed"].pop("adapter_scale")
    return {key: value for key, value in values.items() if trained or key not in ("finetune", "landscape")}


def of_training(key: str) -> bool:
    """Whether an option matters to trained cells only."""
    return key.startswith("finetune.") or key == "embed.adapter_scale"


def reads(system: str, key: str) -> bool:
    """Whether an option can change a system's outcomes."""
    block = key.partition(".")[0]
    if system == "bm25":
        return block in _LEXICAL
    return block not in _UNREAD.get(system, () if system in RETRIEVAL else _OF_LABELS)


def flat(params: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Parameters by dotted key."""
    out: dict[str, Any] = {}
    for key, value in params.items():
        out |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return out


def options(values: Mapping[str, Any]) -> Options:
    """Options of values by dotted key."""
    return tuple((key, tuple(one) if isinstance(one, list) else one) for key, one in sorted(values.items()))


def said(key: str, value: Any) -> str:
    """An option as files have it."""
    return f"{key}={list(value) if isinstance(value, tuple) else value}"


def worded(key: str, value: Any) -> str:
    """An option in words for people; as files have it where it has no words of its own."""
    return WORDS[key](value) if key in WORDS else said(key, value)
