"""The values that `download`, `views` and `tasks` read, and the fields of entries that are among them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from patent_embeddings.core.entries import Commit, Entry, Sha256
from patent_embeddings.core.params import Identifier, Values

Section = Literal["title", "abstract", "claims", "claim1", "description"]


class Sections(Entry):
    """The sections that a view's text is made of."""

    sections: Annotated[list[Section], Field(min_length=1)]  # joined by one newline, absent ones left out


class _Source(Entry):
    licence: str


class Simulated(_Source):
    """A seeded generator of families with planted structure."""

    source: Literal["simulated"]
    seed: int
    families: Annotated[int, Field(ge=50)]
    # Mean number of families that apply one idea, which is a mechanism with its details.
    idea_families: Annotated[float, Field(ge=2)] = 12.0
    # Share of ideas that add a second mechanism, and its label.
    combined: Annotated[float, Field(ge=0, le=1)] = 0.25
    # Share of the mechanism's wording that is the same in all fields; at 1, only names of parts and places differ.
    cross_field_overlap: Annotated[float, Field(ge=0, le=1)] = 0.55
    # Share of the mechanism's wording that means the same in all landscapes; the rest means other mechanisms elsewhere.
    wording_overlap: Annotated[float, Field(ge=0, le=1)] = 0.75
    # How often title and abstract name a detail that the claims always name, instead of hinting at it.
    abstract_detail: Annotated[float, Field(ge=0, le=1)] = 0.5
    citations_in: Annotated[float, Field(ge=0)] = 3.0  # mean quota of citations within idea and field
    citations_out: Annotated[float, Field(ge=0)] = 0.5  # mean quota within the idea, to other fields
    citations_noise: Annotated[float, Field(ge=0)] = 0.1  # mean citations of other ideas


Raw = Annotated[str, Field(pattern=r"^data/raw/[a-z0-9-]+(\.[a-z]+)+$")]  # a file that DVC tracks


class Kept(Entry):
    """A table of queries or judgements, as `python -m stages.landscape add` stored it."""

    file: Raw
    sha256: Sha256


class OwnFile(_Source):
    """The user's own file, as `python -m stages.landscape add` stored it."""

    source: Literal["table"]
    file: Raw
    sha256: Sha256
    queries: Kept | None = None  # queries that are not families
    qrels: Kept | None = None  # the user's own judgements


class Kista(_Source):
    """A landscape of a KISTA patent trend report, a CSV file of a public GitHub repository."""

    source: Literal["kista"]
    commit: Commit
    file: Annotated[str, Field(pattern=r"^[a-z_]+\.csv$")]  # in the repository's `data`
    sha256: Sha256


class HistoricUs(_Source):
    """Full texts of US patents of the 19th century, from a package's source distribution."""

    source: Literal["historic-us"]
    project: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]  # as package indexes name it
    version: Annotated[str, Field(pattern=r"^[0-9.]+$")]
    sha256: Sha256  # of the source distribution


class Hub(_Source):
    """A dataset of the Hugging Face hub at a pinned revision, with judgements of its own."""

    source: Literal["hub"]
    layout: Literal["dapfam", "nano", "patenteb"]  # arrangement of its files
    hub: str
    revision: Commit | None  # full commit; null: none pinned
    files: dict[str, Sha256] = {}  # known hashes of its files, checked in addition to the commit's own
    split: str | None = None  # nano: one of the dataset's splits
    scope: Literal["in", "out", "unknown"] = "unknown"  # nano, patenteb: of every positive; dapfam has its own
    descriptions: bool = False  # dapfam: read the descriptions too, which are nearly all of its bytes
    gated: bool = False
    unverified: list[str] = []  # fields whose value was not checked at the source

    @model_validator(mode="after")
    def _whole(self) -> Hub:
        if not self.revision and "revision" not in self.unverified:
            raise ValueError("needs a full `revision`, or `revision` among `unverified`")
        if (self.layout == "nano") != (self.split is not None):
            raise ValueError("`layout: nano` and `split` go together")
        return self


Source = Simulated | OwnFile | Kista | HistoricUs | Hub


class DownloadValues(Values):
    """Values of the stage `download`: the source of a landscape."""

    landscape: Annotated[Source, Field(discriminator="source")]


class ViewsValues(Values):
    """Values of the stage `views`."""

    views: dict[Identifier, Sections]


class TasksValues(Values):
    """Values of the stage `tasks`."""

    seed: int = Field(alias="tasks.seed")
    fold: int = Field(alias="tasks.fold")
    relevance: Literal["cited", "linked", "judged"] = Field(alias="landscape.relevance")
    threshold: int = Field(alias="landscape.threshold")  # refused where no judgement reaches it
    dated: bool  # judged queries need a date, as only earlier families are ranked
    cross_fitted: int | None  # every query is scored, see `FuseValues`; None: only those of the test split
