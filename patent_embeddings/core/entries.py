"""Base types of registry entries, shared by several packages."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class Entry(BaseModel):
    """A registry block: frozen, and unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class HardNegatives(Entry):
    """Mined negatives: the documents nearest to an anchor that are not known to be relevant to it."""

    each: Annotated[int, Field(gt=0, strict=True)] = 1  # per pair, or fewer if there are not enough
    # How far below the positive a negative must be, as a share of the positive's similarity: others may be relevant.
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.05
