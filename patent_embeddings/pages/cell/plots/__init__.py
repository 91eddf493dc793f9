"""Pictures of a cell, one module each; a module here is a picture of the page."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from patent_embeddings.pages.cell.plot import Plot


@cache
def every() -> dict[str, Plot]:
    """`PLOT` of every module of this package, by the module's name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: import_module(f"{__name__}.{name}").PLOT for name in names}
