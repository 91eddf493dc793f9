"""Words and sentence patterns of the simulated landscapes, from the two YAML files beside this module."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from patent_embeddings.core.files import read_yaml

M = TypeVar("M", bound=BaseModel)


def _split(text: Any) -> Any:
    return tuple(phrase.strip() for phrase in text.split(";")) if isinstance(text, str) else text


Phrases = Annotated[tuple[str, ...], BeforeValidator(_split)]  # one text in the file, with semicolons between


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Field(_Block):
    """A field of application: its systems, materials, environments and troubles."""

    systems: Phrases
    prefixes: Phrases
    environments: Phrases
    troubles: Phrases
    materials: Phrases
    users: Phrases
    components: dict[str, Phrases]  # IPC subclass -> parts; the last subclass is of a second class


class Mechanism(_Block):
    """A principle of solution: its device, what the device does, and its purpose."""

    cores: Phrases
    acts: Phrases
    aims: Phrases


class Group(_Block):
    """Mechanisms of one kind; the facets are the details that tell one idea from another."""

    hints: Phrases
    purposes: Phrases
    scheme: str  # CPC subclass of tags that go with the group
    facets: tuple[tuple[Phrases, ...], ...]  # facet -> option -> paraphrases
    mechanisms: tuple[Mechanism, ...]


class _Words(_Block):
    concepts: dict[str, Phrases]
    plain: Field
    fields: tuple[Field, ...]
    groups: dict[str, Group]
    common_facets: tuple[tuple[Phrases, ...], ...]


class Claim(_Block):
    """An independent claim, and the name that its dependent claims use."""

    head: str
    text: str


Patterns = tuple[str, ...]


class _Sentences(_Block):
    titles: Patterns
    leads: Patterns
    middles: Patterns
    details: Patterns
    ends: Patterns
    fillers: Patterns
    first_claims: tuple[Claim, ...]
    second_claims: tuple[Claim, ...]
    dependents: Patterns
    references: Patterns
    combined: Patterns
    fields: Patterns
    background: Patterns
    summary: Patterns
    body: Patterns
    closings: Patterns
    vague: Patterns
    units: Patterns


def _read(name: str, type_: type[M]) -> M:
    return type_.model_validate(read_yaml(Path(__file__).with_name(name)))


_WORDS = _read("words.yaml", _Words)
SENTENCES = _read("sentences.yaml", _Sentences)

CONCEPTS = _WORDS.concepts
PLAIN = _WORDS.plain
FIELDS = _WORDS.fields
GROUPS = _WORDS.groups
COMMON_FACETS = _WORDS.common_facets

CATALOGUE = tuple(GROUPS.values())
MECHANISMS: tuple[tuple[int, Mechanism], ...] = tuple(
    (number, mechanism) for number, group in enumerate(CATALOGUE) for mechanism in group.mechanisms
)  # with the number of the group
PER_GROUP = len(CATALOGUE[0].mechanisms)
OPTIONS = tuple(len(facet) for facet in (*CATALOGUE[0].facets, *COMMON_FACETS))  # of each facet, the group's first
