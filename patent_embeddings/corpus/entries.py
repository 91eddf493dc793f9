"""Entries of `registry/landscapes.yaml` and `registry/views.yaml`: `values` has what stages read, this the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args

from pydantic import Field, create_model, model_validator

from patent_embeddings.core import registry
from patent_embeddings.core.entries import Entry, Sha256
from patent_embeddings.corpus import values


class View(values.Sections):
    """A text made of sections of a family."""

    description: str
    study: str | None = None  # the study's view that this one stands for


class _Described(Entry):
    description: str
    relevance: Literal["cited", "linked", "judged"] = "cited"  # judged: by the user, in the file of `qrels`
    threshold: Annotated[int, Field(ge=1)] = 1  # least grade that is relevant to R@100, AP and RR, which know no grades

    @property
    def simulated(self) -> bool:
        """Whether the families are generated, and scores say nothing about real patents."""
        return isinstance(self, values.Simulated)

    @model_validator(mode="after")
    def _judged(self) -> _Described:
        if (self.relevance == "judged") != (getattr(self, "qrels", None) is not None):
            raise ValueError("`relevance: judged` and `qrels` go together")
        if getattr(self, "queries", None) is not None and self.relevance != "judged":
            raise ValueError("`queries` need `relevance: judged`")
        return self


class _File(Entry):
    name: str  # without its folders
    sha256: Sha256  # of a folder: of the names and hashes of its files


class _Read(Entry):
    """What a file in our own form was made of: an export, or a part of a file."""

    format: str
    files: list[_File]
    select: dict[str, Any] = {}  # what was asked for of it, as `formats.selection.Select` has it


class _Taken(_Described):
    read: _Read | None = None


if TYPE_CHECKING:
    Landscape = Any
else:
    # Every source of `values.Source`, described.
    _kinds = [
        create_model(one.__name__, __base__=(_Taken if one is values.OwnFile else _Described, one), __doc__=one.__doc__)
        for one in get_args(values.Source)
    ]
    Landscape = Annotated[Union[tuple(_kinds)], Field(discriminator="source")]  # noqa: UP007


def landscape_entry(name: str) -> Any:
    """Entry of a landscape. Raises UserError where the id is unknown or the entry is wrong."""
    return registry.entry("landscapes", name, Landscape)


def view_entry(name: str) -> View:
    """Entry of a view. Raises UserError where the id is unknown or the entry is wrong."""
    return registry.entry("views", name, View)
