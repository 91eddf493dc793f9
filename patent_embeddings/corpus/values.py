"""What the stages that make a landscape's tables read of its entry, of the views and of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from patent_embeddings.core.entries import Commit, Entry, Sha256
from patent_embeddings.core.params import Identifier, Values

Section = Literal["title", "abstract", "claims", "claim1", "description"]


class Sections(Entry):
    """What a text of a view is made of."""

    sections: Annotated[list[Section], Field(min_length=1)]  # joined by one newline, an absent one left out


class _Source(Entry):
    licence: str


class Simulated(_Source):
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
    # Share of the mechanism wording that is the same in all landscapes; the rest of it means other mechanisms there.
    wording_overlap: Annotated[float, Field(ge=0, le=1)] = 0.75
    # How often title and abstract name what the claims always name, instead of hinting at it.
    abstract_detail: Annotated[float, Field(ge=0, le=1)] = 0.5
    citations_in: Annotated[float, Field(ge=0)] = 3.0  # most citations of a family within idea and field, mean
    citations_out: Annotated[float, Field(ge=0)] = 0.5  # and within the idea, to other fields
    citations_noise: Annotated[float, Field(ge=0)] = 0.1  # and to any other idea


Raw = Annotated[str, Field(pattern=r"^data/raw/[a-z0-9-]+(\.[a-z]+)+$")]  # a file that DVC tracks


class Kept(Entry):
    """A file beside that of the families, as `python -m stages.landscape add` took it."""

    file: Raw
    sha256: Sha256


class OwnFile(_Source):
    """The user's own file, as `python -m stages.landscape add` took it."""

    source: Literal["table"]
    file: Raw
    sha256: Sha256
    queries: Kept | None = None  # queries that are no families
    qrels: Kept | None = None  # the user's own judgements


class Kista(_Source):
    """A landscape of a KISTA patent trend report, a CSV file of a public GitHub repository."""

    source: Literal["kista"]
    commit: Commit
    file: Annotated[str, Field(pattern=r"^[a-z_]+\.csv$")]  # in the repository's `data`
    sha256: Sha256


class HistoricUs(_Source):
    """US full texts of the 19th century, example data of a package's source distribution."""

    source: Literal["historic-us"]
    project: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]  # as package indexes name it
    version: Annotated[str, Field(pattern=r"^[0-9.]+$")]
    sha256: Sha256  # of the source distribution


class Hub(_Source):
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


Source = Simulated | OwnFile | Kista | HistoricUs | Hub


class DownloadValues(Values):
    """The stage `download`: where a landscape comes from."""

    landscape: Annotated[Source, Field(discriminator="source")]


class ViewsValues(Values):
    """The stage `views`."""

    views: dict[Identifier, Sections]


class TasksValues(Values):
    """The stage `tasks`."""

    seed: int = Field(alias="tasks.seed")
    fold: int = Field(alias="tasks.fold")
    relevance: Literal["cited", "linked", "judged"] = Field(alias="landscape.relevance")
    dated: bool  # judged queries need a date: only what is earlier is ranked for them
    cross_fitted: int | None  # every query is scored, see `FuseValues`; None: those of the test split
