"""Cells of a grid: axes expanded over params.yaml, checked and named."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.core.params import Params, explain
from patent_embeddings.corpus.entries import landscape_entry, view_entry
from patent_embeddings.encoders.entries import model_entry
from patent_embeddings.pairs.entries import recipe_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

VIEW = "view"  # an axis that sets both sides
EACH = "EACH"  # a value that stands for every landscape of evaluate_on; in capitals, so that it is no id
_EACH: dict[str, Callable[[str], Any]] = {"landscape": str, "finetune.held_out": lambda name: [name]}
_SIDES = ("query_view", "document_view")
_NAMED = ("model", "recipe", "landscape")  # what every name begins with


@dataclass(frozen=True)
class Cell:
    """One cell: its experiment's name, what it changes in params.yaml (dotted keys), and its whole parameters."""

    name: str
    overrides: dict[str, Any]
    params: dict[str, Any] = field(repr=False)


def parse(settings: Sequence[str]) -> dict[str, list[Any]]:
    """Axes from `key=v1,v2`; values are YAML, a list is one value in brackets.

    Raises:
        UserError: a setting that is not of this form.
    """

    axes: dict[str, list[Any]] = {}
    for setting in settings:
        key, equals, values = setting.partition("=")
        if key in axes:
            raise UserError(f"-S {key} is set twice; write its values in one: -S {key}=value1,value2")
        try:
            # Commas within brackets belong to one value.
            axes[key] = [yaml.safe_load(value) for value in re.findall(r"(?:\[[^\]]*\]|[^,\[])+", values)]
        except yaml.YAMLError:
            axes[key] = []
        if not (key and equals and axes[key]):
            raise UserError(f"-S {setting!r}: write -S key=value1,value2 with a key of {layout.PARAMS}")
    return axes


def expand(base: Mapping[str, Any], axes: Mapping[str, Sequence[Any]]) -> list[Cell]:
    """Every combination of the axes' values over the base, once; zero-shot cells first.

    What a cell does not use stays as in the base, so that it is one cell: where and how a zero-shot cell would be
    trained, where a recipe over all landscapes is at home, what is held out of a recipe that has a home,
    how passages are scored where there are none.

    Args:
        base: params.yaml.
        axes: dotted keys of it, or `view` for both sides, with their values. `EACH` for `landscape` or
            `finetune.held_out` is every landscape that the cell is scored on, one at a time.

    Raises:
        UserError: an unknown key, an id that is in no registry, a value of the wrong type, a landscape of
            training that is not among `evaluate_on`, or two cells of one name.
    """
    _check_keys(base, axes)
    products = itertools.product(*axes.values())
    changes = [each for values in products for each in _each(base, dict(_sides(zip(axes, values, strict=True))))]
    return _distinct(_cell(base, each) for each in changes)


def _distinct(cells: Iterable[Cell]) -> list[Cell]:
    """Each cell once, zero-shot ones first."""
    found: dict[str, Cell] = {}
    for cell in cells:
        if found.setdefault(cell.name, cell).overrides != cell.overrides:
            raise UserError(f"two different cells would be called {cell.name}; choose values that differ in letters and digits")  # fmt: skip
    return sorted(found.values(), key=lambda cell: cell.params["recipe"] != "zero-shot")


def _sides(changes: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for key, value in changes:
        yield from ((side, value) for side in _SIDES) if key == VIEW else [(key, value)]


def union(base: Mapping[str, Any], grids: Sequence[Mapping[str, Sequence[Any]]]) -> list[Cell]:
    """Cells of several grids, each once; zero-shot cells first. Raises UserError as `expand` does."""
    return _distinct(cell for axes in grids for cell in expand(base, axes))


def _each(base: Mapping[str, Any], changes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The changes with every `EACH` filled in, all combinations."""
    key = next((key for key, alone in _EACH.items() if changes.get(key) == EACH), None)
    if key is None:
        yield changes
        return
    for name in changes.get("evaluate_on", base["evaluate_on"]):
        yield from _each(base, {**changes, key: _EACH[key](name)})


def _check_keys(base: Mapping[str, Any], axes: Mapping[str, Sequence[Any]]) -> None:
    known = [VIEW, *flat(base)]
    for key in axes:
        if key not in known:
            raise UserError(f"axis {key!r} is no key of {layout.PARAMS}{nearest(key, known)}; name keys as block.key")


def flat(params: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Parameters by dotted key."""
    out: dict[str, Any] = {}
    for key, value in params.items():
        out |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return out


def _cell(base: Mapping[str, Any], changes: dict[str, Any]) -> Cell:

    recipe = recipe_entry(changes.get("recipe", base["recipe"]))
    if not recipe.signals:
        changes = {key: value for key, value in changes.items() if not key.startswith("finetune.") and key != "embed.adapter_scale"}  # fmt: skip
    if recipe.landscapes == "home":
        changes.pop("finetune.held_out", None)
    if not recipe.signals or recipe.landscapes == "all":
        evaluated = changes.get("evaluate_on", base["evaluate_on"])
        changes["landscape"] = base["landscape"] if base["landscape"] in evaluated else evaluated[0]
    if changes.get("embed.passages.tokens", base["embed"]["passages"]["tokens"]) is None:
        changes = {key: value for key, value in changes.items() if key not in ("embed.passages.stride", "search.passages")}  # fmt: skip
    params = deepcopy(dict(base))
    for key, value in changes.items():
        *blocks, last = key.split(".")
        target = params
        for block in blocks:
            target = target[block]
        target[last] = value
    try:
        typed = Params.model_validate(params)
    except ValidationError as error:
        raise UserError(f"cell {changes}: {explain(error)}") from None
    model_entry(typed.model)
    for landscape in typed.evaluate_on:
        landscape_entry(landscape)
    for view in (typed.query_view, typed.document_view):
        view_entry(view)
    if typed.landscape not in typed.evaluate_on:
        raise UserError(
            f"landscape {typed.landscape!r} is not one of evaluate_on ({', '.join(typed.evaluate_on)}); "
            "add -S 'evaluate_on=[...]' with every landscape of the grid"
        )
    before = flat(base)
    overrides = {key: value for key, value in changes.items() if value != before[key]}
    return Cell(_name(typed.model_dump(), overrides, list(before)), overrides, params)


def _name(params: dict[str, Any], overrides: dict[str, Any], keys: list[str]) -> str:
    """`minilm-r1-sim-alpha-ta-fold3`: model, recipe, where trained, and what else differs from params.yaml.

    A key is named by its last part, where no other key ends in it.
    """

    ends = Counter(key.split(".")[-1] for key in keys)
    parts = [params["model"], params["recipe"]]
    if params["recipe"] != "zero-shot":
        parts += [params["landscape"]] if recipe_entry(params["recipe"]).landscapes == "home" else []
    if set(overrides) & set(_SIDES):
        sides = dict.fromkeys(params[side] for side in _SIDES)
        parts.append("-to-".join(sides))
    for key, value in overrides.items():
        if key not in (*_NAMED, *_SIDES):
            words = "-".join(str(one).lower() for one in (value if isinstance(value, list) else [value]))
            end = key.split(".")[-1]
            parts.append(("on-" if key == "evaluate_on" else end if ends[end] == 1 else key.replace(".", "-")) + words)
    return re.sub(r"[^A-Za-z0-9-]+", "_", "-".join(parts))
