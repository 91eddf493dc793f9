"""Sources of landscapes, one module each; all of them end in the same three tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Raw:
    """A landscape as its source gives it.

    Attributes:
        families: rows of `tables.FAMILIES`.
        citations: rows of `tables.CITATIONS`; both ends are families of the landscape.
        relations: rows of `tables.RELATIONS` where the source brings its own judgements
            (relevance 0 is a judged or sampled negative), else None.
        notes: what was counted on the way (dropped citations, coverage of a rule, ...).
    """

    families: pd.DataFrame
    citations: pd.DataFrame
    relations: pd.DataFrame | None = None
    notes: dict[str, Any] = field(default_factory=dict)


def load(name: str, entry: Any) -> Raw:
    """Load landscape `name` through the module that its registry entry's `source` names.

    Raises:
        UserError: the source's file is absent, changed or unreadable.
    """
    module = import_module(f"stages.sources.{entry.source.replace('-', '_')}")
    raw: Raw = module.load(name, entry)
    return raw
