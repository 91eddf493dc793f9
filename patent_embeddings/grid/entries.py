"""Types of what is declared before a grid runs: presets of axes, sets of hypotheses, findings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from patent_embeddings.core.entries import Entry
from patent_embeddings.evaluation.systems import Task

Share = Annotated[float, Field(gt=0, lt=1)]


Axes = dict[str, Annotated[list[Any], Field(min_length=1)]]  # keys of params.yaml, dotted, and their values


class Preset(Entry):
    """A named grid, or several grids that run as one."""

    description: str
    axes: Axes | Annotated[list[Axes], Field(min_length=1)]

    @property
    def grids(self) -> list[Axes]:
        """Its grids; each has every combination of the values of its axes."""
        return self.axes if isinstance(self.axes, list) else [self.axes]


class Hypotheses(Entry):
    """Hypotheses that are corrected together (Holm) on each landscape and task."""

    description: str
    compares: Literal["cells", "tuned", "systems"]
    tasks: Annotated[list[Task], Field(min_length=1)]


class _Finding(Entry):
    statement: str  # the study's claim
    decision: str  # the rule in words, for people
    plant: str | None = None  # the effect planted in the simulated landscapes; null: none, so they cannot test it
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
    task: Literal["retrieval"]  # relative changes are of means, which micro-F1 is not
    margin: Share  # relative loss that does not matter
    share: Share  # of the comparisons that must show harm


class Strength(_Finding):
    """The change out of domain falls as the zero-shot score of the model rises."""

    rule: Literal["strength"]
    task: Literal["retrieval"]
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


class Size(_Finding):
    """Larger models of a family are better (monotone), or some smaller model beats a larger one of another family."""

    rule: Literal["monotone", "inversion"]
    task: Task


Finding = Annotated[Best | Depends | Harm | Strength | Gap | Closed | Gain | Size, Field(discriminator="rule")]
