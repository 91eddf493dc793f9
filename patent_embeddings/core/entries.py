"""What entries of the registries have in common, and what stages of several packages read of one."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class Entry(BaseModel):
    """A registry block: frozen, and unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class HardNegatives(Entry):
    """Negatives beside those of the batch: the documents nearest to an anchor that nothing says are relevant to it."""

    each: Annotated[int, Field(gt=0, strict=True)] = 1  # of a pair, or fewer where there are none
    # How far below the positive a negative is, as a share of the positive's similarity: what is nearer may be relevant.
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.05
