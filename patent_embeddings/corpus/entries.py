"""Types of the entries of `registry/landscapes.yaml` and `registry/views.yaml`.

They extend those in `values`, which hold the fields that stages read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args

from pydantic import Field, create_model, model_validator

from patent_embeddings.core import registry
from patent_embeddings.core.entries import Entry, Sha256
from patent_embeddings.corpus import values


class View(values.Sections):
    """A view: the sections of a family that its text is made of."""

    description: str
    study: str | None = None  # the study's view that this one corresponds to


class _Described(Entry):
    description: str
    relevance: Literal["cited", "linked", "judged"] = "cited"  # judged: by the user, in the file `qrels`
    threshold: Annotated[int, Field(ge=1, strict=True)] = 1  # lowest grade that R@100, AP and RR count as relevant

    @property
    def simulated(self) -> bool:
        """Whether the families are generated, so that scores say nothing about real patents."""
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
    """The files that a file in our own form was converted from: an export, or a selection from a file."""

    format: str
    files: list[_File]
    select: dict[str, Any] = {}  # the selection, as in `formats.selection.Select`


class _Taken(_Described):
    read: _Read | None = None


if TYPE_CHECKING:
    Landscape = Any
else:
    # Every source of `values.Source` with the fields above.
    _kinds = [
        create_model(one.__name__, __base__=(_Taken if one is values.OwnFile else _Described, one), __doc__=one.__doc__)
        for one in get_args(values.Source)
    ]
    Landscape = Annotated[Union[tuple(_kinds)], Field(discriminator="source")]  # noqa: UP007


def landscape_entry(name: str) -> Any:
    """The entry of a landscape. Raises UserError if the id is unknown or the entry is invalid."""
    return registry.entry("landscapes", name, Landscape)


def view_entry(name: str) -> View:
    """The entry of a view. Raises UserError if the id is unknown or the entry is invalid."""
    return registry.entry("views", name, View)
