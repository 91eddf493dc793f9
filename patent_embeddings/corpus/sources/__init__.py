"""Sources of landscapes, one module each; all of them end in the same three tables."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.families import Raw, checked


def load(name: str, entry: Any) -> Raw:
    """Load landscape `name` through the module of this package that its entry's `source` names.

    Raises UserError where the source's file is absent, changed or unreadable, it has no family, or its codes are none.
    """
    module = import_module(f"{__name__}.{entry.source.replace('-', '_')}")
    raw: Raw = module.load(name, entry)
    if raw.families.empty:
        where = layout.registry("landscapes")
        raise UserError(f"landscape {name!r} is empty: its source has no family; see its entry in {where}")
    return checked(raw, f"landscape {name!r}")
