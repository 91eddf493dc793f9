"""Training signals, one module each, which draws its pairs and says what it needs; a module here is a signal.

`draw(material, recipe, split, count, rng)` gives the pairs; `needs(recipe)` says what a landscape without any lacks,
and what to do about it.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

NAMES = tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)))


def module(signal: str) -> Any:
    """The module of a signal, one of `NAMES`."""
    return import_module(f"{__name__}.{signal.replace('-', '_')}")
