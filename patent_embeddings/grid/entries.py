"""Types of what is declared about a grid before it runs: its axes, the families of hypotheses, the findings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from patent_embeddings.core.entries import Entry

Task = Literal["retrieval", "classification", "clustering"]
Share = Annotated[float, Field(gt=0, lt=1)]


Axes = dict[str, Annotated[list[Any], Field(min_length=1)]]  # keys of params.yaml, dotted, and their values


class Preset(Entry):
    """A grid by name, or several that run as one."""

    description: str
    axes: Axes | Annotated[list[Axes], Field(min_length=1)]

    @property
    def grids(self) -> list[Axes]:
        """Its grids; each is every combination of its axes."""
        return self.axes if isinstance(self.axes, list) else [self.axes]


class Family(Entry):
    """Hypotheses that are corrected together (Holm), once for each landscape and task."""

    description: str
    compares: Literal["cells", "tuned", "systems"]
    tasks: Annotated[list[Task], Field(min_length=1)]


class _Finding(Entry):
    statement: str  # what the study says
    decision: str  # the rule in words, for people
    plant: str | None = None  # what the simulated landscapes plant of it; null: nothing, they cannot speak to it
    cells: dict[str, list[Any]]  # axes of the cells that test it; ANY: at least two landscapes or models of yours


class Best(_Finding):
    """One recipe or view is better than every other."""

    rule: Literal["best"]
    task: Task
    vary: Literal["recipe", "view"]
    candidate: str
    rivals: Annotated[list[str], Field(min_length=1)]


class Depends(_Finding):
    """The order of recipes differs between tasks."""

    rule: Literal["depends"]
    tasks: Annotated[list[Task], Field(min_length=2)]
    recipes: Annotated[list[str], Field(min_length=2)]
    margin: Share  # relative loss that does not matter


class Harm(_Finding):
    """Tuning on one landscape lowers the score on others."""

    rule: Literal["harm"]
    task: Task
    margin: Share  # relative loss that does not matter
    share: Share  # of the comparisons that must show harm


class Strength(_Finding):
    """The change abroad falls as the zero-shot score of the model rises."""

    rule: Literal["strength"]
    task: Task
    models: Annotated[int, Field(ge=3)]  # fewest that give a slope


class Gap(_Finding):
    """Relative loss from IN to OUT, on queries that have both, lies in a band."""

    rule: Literal["gap"]
    band: tuple[float, float]


class Closed(_Finding):
    """A fusion leaves more than a share of the gap from IN to OUT."""

    rule: Literal["remains"]
    system: str
    share: Share


class Gain(_Finding):
    """The change from dense to a fusion lies in a band."""

    rule: Literal["gain"]
    system: str
    band: tuple[float, float]


class Monotone(_Finding):
    """Within a family of models, a larger one is better than the next smaller one."""

    rule: Literal["monotone"]
    task: Task


class Inversion(_Finding):
    """Between families, some smaller model is better than a larger one."""

    rule: Literal["inversion"]
    task: Task


Finding = Annotated[
    Best | Depends | Harm | Strength | Gap | Closed | Gain | Monotone | Inversion, Field(discriminator="rule")
]


class Option(Entry):
    """Cells of one recipe under one system: as params.yaml has them, but for the settings."""

    recipe: str = "zero-shot"
    settings: dict[str, Any] = Field(default_factory=dict)  # dotted keys of params.yaml
    system: str = "dense"


class _Hypothesis(Entry):
    statement: str
    decision: str  # the rule in words, for people

    @property
    def options(self) -> list[Option]:
        """What it is about."""
        raise NotImplementedError


class Keeps(_Hypothesis):
    """A recipe keeps a share of the best one's gain at home."""

    rule: Literal["keeps"]
    candidate: str
    share: Share

    @property
    def options(self) -> list[Option]:
        """The candidate."""
        return [Option(recipe=self.candidate)]


class Harmless(_Hypothesis):
    """A recipe is not inferior to zero-shot on any landscape that it was not trained on."""

    rule: Literal["harmless"]
    candidate: str
    settings: dict[str, Any] = Field(default_factory=dict)

    @property
    def options(self) -> list[Option]:
        """The candidate under its settings."""
        return [Option(recipe=self.candidate, settings=self.settings)]


class Raises(_Hypothesis):
    """One option is better than another, tuned ones at home."""

    rule: Literal["raises"]
    scope: Literal["all", "in-paired", "out-paired"]
    first: Option
    second: Option

    @property
    def options(self) -> list[Option]:
        """Both."""
        return [self.first, self.second]


class Reaches(_Hypothesis):
    """An option reaches a multiple of the best zero-shot leg out of domain, and a gap below a bound."""

    rule: Literal["reaches"]
    option: Option
    factor: Annotated[float, Field(gt=1)]
    gap: Share

    @property
    def options(self) -> list[Option]:
        """The one."""
        return [self.option]


Hypothesis = Annotated[Keeps | Harmless | Raises | Reaches, Field(discriminator="rule")]


class Protocol(Entry):
    """Hypotheses that are declared before their cells run: one Holm family on each ground."""

    description: str
    exploratory: list[str]  # landscapes that its leads come from, which can confirm nothing
    seeds: Annotated[list[int], Field(min_length=3)]  # of training, all of them needed
    folds: Annotated[list[int], Field(min_length=1)]  # that are pooled, all of them needed
    margin: Share  # relative loss that does not matter
    hypotheses: Annotated[dict[str, Hypothesis], Field(min_length=1)]
