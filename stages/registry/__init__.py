"""Registries: models, recipes, landscapes and views, one YAML block an id, typed."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from stages import layout
from stages.errors import UserError, nearest
from stages.registry.entries import Landscape, Model, Recipe, Reranker, View, Weights
from stages.registry.grid import Family, Finding, Preset, Protocol

E = TypeVar("E")

_KINDS: dict[str, Any] = {
    "models": Model,
    "rerankers": Reranker,
    "recipes": Recipe,
    "landscapes": Landscape,
    "views": View,
    "presets": Preset,
    "families": Family,
    "findings": Finding,
    "protocol": Protocol,
}
IDENTIFIER = re.compile(r"[a-z0-9-]+")


def model(name: str) -> Model:
    """Registry entry of a model. Raises UserError where the id is unknown or the entry is wrong."""
    return entry("models", name)


def reranker(name: str) -> Reranker:
    """Registry entry of a cross-encoder. Raises UserError where the id is unknown or the entry is wrong."""
    return entry("rerankers", name)


def recipe(name: str) -> Recipe:
    """Registry entry of a recipe. Raises UserError where the id is unknown or the entry is wrong."""
    return entry("recipes", name)


def landscape(name: str) -> Any:
    """Registry entry of a landscape. Raises UserError where the id is unknown or the entry is wrong."""
    return entry("landscapes", name)


def view(name: str) -> View:
    """Registry entry of a view. Raises UserError where the id is unknown or the entry is wrong."""
    return entry("views", name)


def ids(kind: str) -> list[str]:
    """Sorted ids of `models`, `rerankers`, `recipes`, `landscapes` or `views`."""
    return sorted(_read(layout.registry(kind).resolve()))


def every(kind: str) -> dict[str, Any]:
    """Every entry of a registry by its id, in the file's order. Raises UserError as `entry` does."""
    return {name: entry(kind, name) for name in _read(layout.registry(kind).resolve())}


def entry(kind: str, name: str) -> Any:
    """One typed entry of a registry.

    Raises:
        UserError: no such id (the nearest are proposed), or a field is missing, unknown or mistyped.
    """
    path = layout.registry(kind)
    blocks = _read(path.resolve())
    if name not in blocks:
        one = kind.rstrip("s")
        raise UserError(f"{one} {name!r} is not in {path}{nearest(name, sorted(blocks))}; ids there: {', '.join(sorted(blocks)[:12])}{', ...' if len(blocks) > 12 else ''}")  # fmt: skip
    return validated(kind, name, blocks[name])


def validated(kind: str, name: str, block: Any) -> Any:
    """Type one block of a registry; see `entry` for what is raised."""
    from stages.params import explain

    path = layout.registry(kind)
    if not IDENTIFIER.fullmatch(name):
        raise UserError(f"{path}: id {name!r}: ids are made of a-z, 0-9 and '-' only")
    try:
        return TypeAdapter(_KINDS[kind]).validate_python(block)
    except ValidationError as error:
        raise UserError(f"{path}: {name}: {explain(error)}") from None


@cache
def _read(path: Path) -> dict[str, Any]:
    from stages.files import read_yaml

    blocks = read_yaml(path, shown := layout.registry(path.stem))
    if not isinstance(blocks, dict) or not all(isinstance(key, str) for key in blocks):
        raise UserError(f"{shown}: must map ids to entries")
    return blocks


__all__ = [
    "BaseModel",
    "Landscape",
    "Model",
    "Recipe",
    "Reranker",
    "View",
    "Weights",
    "entry",
    "every",
    "ids",
    "landscape",
    "model",
    "recipe",
    "reranker",
    "validated",
    "view",
]
