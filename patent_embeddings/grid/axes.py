"""Axes of a grid, expanded over params.yaml into cells and checked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from pydantic import ValidationError
from ruamel.yaml.error import YAMLError

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.core.files import parse_yaml
from patent_embeddings.core.params import Params, explain
from patent_embeddings.corpus.entries import landscape_entry
from patent_embeddings.grid.cell import SIDES, ZERO_SHOT, Cell, used
from patent_embeddings.grid.keys import flat
from patent_embeddings.pairs.entries import recipe_entry

VIEW = "view"  # an axis that sets the views of queries and of documents
EACH = "EACH"  # a value that stands for every landscape of evaluate_on; ids have no capitals
_EACH: dict[str, Callable[[str], Any]] = {"landscape": str, "finetune.held_out": lambda name: [name]}


def parse(settings: Sequence[str]) -> dict[str, list[Any]]:
    """Axes from `key=v1,v2`; values are YAML, a list is one value in brackets.

    Raises UserError at any other form. Types are checked by `expand`.
    """
    axes: dict[str, list[Any]] = {}
    for setting in settings:
        key, equals, values = setting.partition("=")
        if key in axes:
            raise UserError(f"-S {key} is set twice; write its values in one: -S {key}=value1,value2")
        try:
            axes[key] = parse_yaml(f"[{values}]")
        except (YAMLError, ValueError):  # ValueError: 2001-99-99
            axes[key] = []
        if not (key and equals and axes[key]):
            raise UserError(f"-S {setting!r}: write -S key=value1,value2 with a key of {layout.PARAMS}")
    return axes


def union(base: Mapping[str, Any], grids: Iterable[Mapping[str, Sequence[Any]]]) -> list[Cell]:
    """Cells of several grids, each once, zero-shot cells first. Raises UserError as `expand` does."""
    return distinct(cell for axes in grids for cell in expand(base, axes))


def expand(base: Mapping[str, Any], axes: Mapping[str, Sequence[Any]]) -> list[Cell]:
    """Every combination of the axes' values over the base, each cell once; zero-shot cells first.

    Values that a cell does not use (`cell.used`) stay as in the base, so that it is not computed twice: how a zero-shot
    cell would be trained, or how passages are scored where there are none.

    Args:
        base: params.yaml.
        axes: dotted keys of it, or `view` for both sides, with their values. `EACH` for `landscape` or
            `finetune.held_out` is every landscape that the cell is scored on, one at a time.

    Raises:
        UserError: an unknown key, a recipe or landscape of training that is in no registry, a value of the wrong
            type, or two cells of one name. The other ids are checked as those of params.yaml are (`check.validate`).
    """
    known = [VIEW, *flat(base)]
    for key in axes:
        if key not in known:
            raise UserError(f"axis {key!r} is no key of {layout.PARAMS}{nearest(key, known)}; name keys as block.key")
    if VIEW in axes and (twice := next((side for side in SIDES if side in axes), None)):
        mend = f"name {' and '.join(SIDES)} instead of {VIEW}"
        raise UserError(f"axes {VIEW} and {twice} both set {twice}; {mend}")
    products = itertools.product(*axes.values())
    keys = [SIDES if key == VIEW else (key,) for key in axes]
    chosen = ({key: value for names, value in zip(keys, values, strict=True) for key in names} for values in products)
    return distinct(_cell(base, each) for changes in chosen for each in _each(base, changes))


def distinct(cells: Iterable[Cell]) -> list[Cell]:
    """Each cell once, zero-shot ones first. Raises UserError where two cells that differ have one name."""
    found: dict[str, Cell] = {}
    for cell in cells:
        if found.setdefault(cell.name, cell).told != cell.told:
            mend = "choose values that differ in letters and digits"
            raise UserError(f"two different cells would be called {cell.name}; {mend}")
    return sorted(found.values(), key=lambda cell: cell.params.recipe != ZERO_SHOT)


def _each(base: Mapping[str, Any], changes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The changes with each `EACH` replaced by every landscape, in all combinations."""
    key = next((key for key, alone in _EACH.items() if changes.get(key) == EACH), None)
    places = changes.get("evaluate_on", base["evaluate_on"])
    if key is None:
        yield changes
        return
    if not isinstance(places, list):  # reported later as the fault of evaluate_on, not of `EACH`
        yield {name: value for name, value in changes.items() if name != key}
        return
    for name in places:
        yield from _each(base, {**changes, key: _EACH[key](name)})


def _cell(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Cell:
    changes = _used(base, changes, _typed(base, changes))  # a value that is not used must be valid, too
    return Cell.over(_typed(base, {}), _typed(base, changes), changes)


def _typed(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Params:
    """The base with the changes made. Raises UserError where a value has the wrong type."""
    params = deepcopy(dict(base))
    for key, value in changes.items():
        *blocks, last = key.split(".")
        target = params
        for block in blocks:
            target = target[block]
        target[last] = value
    try:
        return Params.model_validate(params)
    except ValidationError as error:
        said = ", ".join(f"-S {key}={value}" for key, value in changes.items())
        raise UserError(f"{said}: {explain(error)}") from None


def _used(base: Mapping[str, Any], changes: Mapping[str, Any], cell: Params) -> dict[str, Any]:
    """The changes that can change an outcome of the cell, or how it is computed."""
    recipe = recipe_entry(cell.recipe)
    landscape_entry(cell.landscape)  # where it is not used, nothing else would find a misspelt id
    trains, at_home = bool(recipe.signals), recipe.landscapes == "home"
    kept = {key: value for key, value in changes.items() if used(cell, trains, at_home, key)}
    if not (trains and at_home):  # it must still be one of evaluate_on
        kept["landscape"] = base["landscape"] if base["landscape"] in cell.evaluate_on else min(cell.evaluate_on)
    return kept
