"""Read typed entries of the registries: models, rerankers, recipes, landscapes and views."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.core.files import read_yaml
from patent_embeddings.core.params import IDS, explain

IDENTIFIER = re.compile(r"[a-z0-9-]+")


def ids(kind: str) -> list[str]:
    """Sorted ids of `models`, `rerankers`, `recipes`, `landscapes` or `views`."""
    return sorted(_read(layout.registry(kind).resolve()))


def every(kind: str, type_: Any) -> dict[str, Any]:
    """Every entry of a registry by id, in the file's order. Raises UserError as `entry` does."""
    return {name: entry(kind, name, type_) for name in _read(layout.registry(kind).resolve())}


def entry(kind: str, name: str, type_: Any) -> Any:
    """One typed entry. Raises UserError if the id is unknown, or a field is missing, unknown or mistyped."""
    path = layout.registry(kind)
    blocks = _read(path.resolve())
    if name not in blocks:
        one = kind.rstrip("s")
        known = ", ".join(sorted(blocks)[:12]) + (", ..." if len(blocks) > 12 else "")
        raise UserError(f"{one} {name!r} is not in {path}{nearest(name, sorted(blocks))}; ids there: {known}")
    return validated(kind, name, blocks[name], type_)


def validated(kind: str, name: str, block: Any, type_: Any) -> Any:
    """Validate one block of a registry. Raises UserError as `entry`."""
    path = layout.registry(kind)
    if not IDENTIFIER.fullmatch(name):
        raise UserError(f"{path}: id {name!r}: {IDS}")
    try:
        return TypeAdapter(type_).validate_python(block)
    except ValidationError as error:
        raise UserError(f"{path}: {name}: {explain(error)}") from None


@cache
def _read(path: Path) -> dict[str, Any]:
    blocks = read_yaml(path, shown := layout.registry(path.stem))
    if not isinstance(blocks, dict):
        raise UserError(f"{shown}: must map ids to entries")
    if wrong := [key for key in blocks if not isinstance(key, str)]:  # `1e3`, `123`
        raise UserError(f"{shown}: id {wrong[0]!r} is not text in YAML; choose another id")
    return blocks
