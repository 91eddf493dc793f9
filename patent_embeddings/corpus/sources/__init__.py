"""Sources of landscapes, one module each, which all produce the same tables."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import read_json
from patent_embeddings.corpus.families import Raw, checked
from patent_embeddings.corpus.schemas import ASKED, CITATIONS, FAMILIES, RELATIONS


def at_hand(name: str, entry: Any) -> Raw | None:
    """A landscape from the user's own file, or as the pipeline has downloaded it; None if there is neither.

    Raises UserError as `load`.
    """
    if entry.source == "table" and Path(entry.file).is_file():
        return load(name, entry)
    if not (layout.families(name).exists() and layout.citations(name).exists()):
        return None
    cost = layout.cost("download", name)
    return Raw(
        tables.read(layout.families(name), FAMILIES),
        tables.read(layout.citations(name), CITATIONS),
        tables.read(layout.relations(name), RELATIONS),
        tables.read(layout.queries(name), ASKED) if layout.queries(name).exists() else tables.empty(ASKED),
        read_json(cost).get("notes", {}) if cost.exists() else {},
    )


def load(name: str, entry: Any) -> Raw:
    """Load a landscape through the module that its entry's `source` names.

    Raises UserError if the source's file is absent, changed or unreadable, has no family, or has invalid codes.
    """
    module = import_module(f"{__name__}.{entry.source.replace('-', '_')}")
    raw: Raw = module.load(name, entry)
    if raw.families.empty:
        where = layout.registry("landscapes")
        raise UserError(f"landscape {name!r} is empty: its source has no family; see its entry in {where}")
    return checked(raw, f"landscape {name!r}")
