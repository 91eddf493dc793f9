"""The protocol, written before its cells ran: hypotheses with their rules, seeds, folds, margin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from patent_embeddings.core.entries import Entry
from patent_embeddings.core.files import read_yaml

Share = Annotated[float, Field(gt=0, lt=1)]
# Keys of params.yaml that the protocol names, and the columns of the record that hold them.
COLUMNS = {
    "search.centre": "centre",
    "embed.adapter_scale": "scale",
    "embed.passages.tokens": "passages",
    "bm25.query_side": "query_side",
}


class Option(Entry):
    """Cells of one recipe under one system, with the defaults of params.yaml except for the settings."""

    recipe: str = "zero-shot"
    settings: dict[str, Any] = Field(default_factory=dict)  # dotted keys of params.yaml
    system: str = "dense"

    @property
    def columns(self) -> dict[str, Any]:
        """The settings by column of the record."""
        return {COLUMNS[key]: value for key, value in self.settings.items()}


class _Hypothesis(Entry):
    statement: str
    decision: str  # the rule in words


class Keeps(_Hypothesis):
    """A recipe keeps a share of the best recipe's gain at home."""

    rule: Literal["keeps"]
    candidate: str
    share: Share


class Harmless(_Hypothesis):
    """A recipe is not inferior to zero-shot on any landscape that it was not trained on."""

    rule: Literal["harmless"]
    candidate: str
    settings: dict[str, Any] = Field(default_factory=dict)


class Raises(_Hypothesis):
    """One option is better than another; fine-tuned ones are scored at home."""

    rule: Literal["raises"]
    scope: Literal["all", "in-paired", "out-paired"]
    first: Option
    second: Option


class Reaches(_Hypothesis):
    """Out of domain, an option reaches a multiple of the best zero-shot leg and a gap below a bound."""

    rule: Literal["reaches"]
    option: Option
    factor: Annotated[float, Field(gt=1)]
    gap: Share


Hypothesis = Annotated[Keeps | Harmless | Raises | Reaches, Field(discriminator="rule")]


class Protocol(Entry):
    """Hypotheses declared before their cells ran; Holm's correction is taken over all of them, on each ground."""

    description: str
    exploratory: list[str]  # landscapes that the ideas came from, which can confirm nothing
    seeds: Annotated[list[int], Field(min_length=3)]  # of training, all required
    folds: Annotated[list[int], Field(min_length=1)]  # pooled, all required
    margin: Share  # relative loss that counts as no harm
    hypotheses: Annotated[dict[str, Hypothesis], Field(min_length=1)]


def read() -> Protocol:
    """Read the protocol of this study."""
    return Protocol.model_validate(read_yaml(Path(__file__).parent / "protocol.yaml")["robust"])
