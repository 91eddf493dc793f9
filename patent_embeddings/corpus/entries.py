"""Entries of `registry/landscapes.yaml` and `registry/views.yaml`: `values` has what stages read, this the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args

from pydantic import Field, create_model

from patent_embeddings.core import registry
from patent_embeddings.core.entries import Entry
from patent_embeddings.corpus import values


class View(values.Sections):
    """A text made of sections of a family."""

    description: str
    study: str | None = None  # the study's view that this one stands for


class _Described(Entry):
    description: str
    relevance: Literal["cited", "linked"] = "cited"

    @property
    def simulated(self) -> bool:
        """Whether the families are generated, and scores say nothing about real patents."""
        return isinstance(self, values.Simulated)


if TYPE_CHECKING:
    Landscape = Any
else:
    # Every source of `values.Source`, described.
    _kinds = [
        create_model(one.__name__, __base__=(_Described, one), __doc__=one.__doc__) for one in get_args(values.Source)
    ]
    Landscape = Annotated[Union[tuple(_kinds)], Field(discriminator="source")]  # noqa: UP007


def landscape_entry(name: str) -> Any:
    """Entry of a landscape. Raises UserError where the id is unknown or the entry is wrong."""
    return registry.entry("landscapes", name, Landscape)


def view_entry(name: str) -> View:
    """Entry of a view. Raises UserError where the id is unknown or the entry is wrong."""
    return registry.entry("views", name, View)
