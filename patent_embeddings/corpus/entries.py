"""Entries of `registry/landscapes.yaml` and `registry/views.yaml`; every field is documented where it is declared."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from patent_embeddings.core import registry
from patent_embeddings.core.entries import Commit, Entry, Sha256

Section = Literal["title", "abstract", "claims", "claim1", "description"]


class View(Entry):
    """A text made of sections of a family."""

    description: str
    sections: Annotated[list[Section], Field(min_length=1)]  # joined by one newline, an absent one left out
    study: str | None = None  # the study's view that this one stands for


class _Landscape(Entry):
    """What every landscape's entry has."""

    description: str
    licence: str
    relevance: Literal["cited", "linked"] = "cited"

    @property
    def simulated(self) -> bool:
        """Whether the families are generated, and scores say nothing about real patents."""
        return False


class Simulated(_Landscape):
    """A seeded generator of families with planted structure."""

    source: Literal["simulated"]
    seed: int
    families: Annotated[int, Field(ge=50)]
    # Mean families that apply one idea, which is a mechanism with its details.
    idea_families: Annotated[float, Field(ge=2)] = 12.0
    # Share of ideas that add a second mechanism, and its label.
    combined: Annotated[float, Field(ge=0, le=1)] = 0.25
    # Share of the mechanism wording that is the same in all fields; at 1 only names of parts and places differ.
    cross_field_overlap: Annotated[float, Field(ge=0, le=1)] = 0.55
    # Share of the mechanism wording that is the same in all landscapes; in the rest the same words mean other mechanisms.
    wording_overlap: Annotated[float, Field(ge=0, le=1)] = 0.75
    # How often title and abstract name what the claims always name, instead of hinting at it.
    abstract_detail: Annotated[float, Field(ge=0, le=1)] = 0.5
    citations_in: Annotated[float, Field(ge=0)] = 3.0  # most citations of a family within idea and field, mean
    citations_out: Annotated[float, Field(ge=0)] = 0.5  # and within the idea, to other fields
    citations_noise: Annotated[float, Field(ge=0)] = 0.1  # and to any other idea

    @property
    def simulated(self) -> bool:
        """Always."""
        return True


class Table(_Landscape):
    """The user's own file, as `python -m stages.landscape add` took it."""

    source: Literal["table"]
    file: Annotated[str, Field(pattern=r"^data/raw/[a-z0-9-]+(\.[a-z]+)+$")]  # tracked by DVC
    sha256: Sha256


class Kista(_Landscape):
    """A landscape of a KISTA patent trend report, a CSV file of a public GitHub repository."""

    source: Literal["kista"]
    commit: Commit
    file: Annotated[str, Field(pattern=r"^[a-z_]+\.csv$")]  # in the repository's `data`
    sha256: Sha256


class HistoricUs(_Landscape):
    """US full texts of the 19th century, example data of a package's source distribution."""

    source: Literal["historic-us"]
    project: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]  # as package indexes name it
    version: Annotated[str, Field(pattern=r"^[0-9.]+$")]
    sha256: Sha256  # of the source distribution


class Hub(_Landscape):
    """A dataset of the Hugging Face hub at a pinned revision, with judgements of its own."""

    source: Literal["hub"]
    layout: Literal["dapfam", "nano", "patenteb"]  # how its files are arranged
    hub: str
    revision: Commit | None  # full commit; null: none pinned
    files: dict[str, Sha256] = {}  # hashes of its files, where known, beside the commit's own
    split: str | None = None  # nano: which of the dataset's splits
    scope: Literal["in", "out", "unknown"] = "unknown"  # nano, patenteb: of every positive; dapfam says it itself
    descriptions: bool = False  # dapfam: read these as well, nearly all of its bytes
    gated: bool = False
    unverified: list[str] = []  # fields whose value nobody here has checked at the source

    @model_validator(mode="after")
    def _whole(self) -> Hub:
        if not self.revision and "revision" not in self.unverified:
            raise ValueError("needs a full `revision`, or `revision` among `unverified`")
        if (self.layout == "nano") != (self.split is not None):
            raise ValueError("`layout: nano` and `split` go together")
        return self


Landscape = Annotated[Simulated | Table | Kista | HistoricUs | Hub, Field(discriminator="source")]


def landscape_entry(name: str) -> Any:
    """Entry of a landscape. Raises UserError where the id is unknown or the entry is wrong."""
    return registry.entry("landscapes", name, Landscape)


def view_entry(name: str) -> View:
    """Entry of a view. Raises UserError where the id is unknown or the entry is wrong."""
    return registry.entry("views", name, View)
