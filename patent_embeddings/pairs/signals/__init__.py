"""Training signals; each module of this package is one.

A module has `draw(material, recipe, split, count, rng)`, which returns pairs, and `needs(recipe)`, which returns what a
landscape without any pair lacks, and what to do about it.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

NAMES = tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)))


def module(signal: str) -> Any:
    """The module of a signal, one of `NAMES`."""
    return import_module(f"{__name__}.{signal.replace('-', '_')}")
