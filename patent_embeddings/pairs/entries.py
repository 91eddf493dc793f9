"""Entries of `registry/recipes.yaml`; every field is documented where it is declared."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from patent_embeddings.core import registry
from patent_embeddings.pairs.signals import NAMES
from patent_embeddings.pairs.values import Drawn


class Recipe(Drawn):
    """A fine-tuning recipe: which training signals it draws pairs from, and how it trains on them."""

    description: str
    # home: pairs of the cell's landscape. all: of every landscape of evaluate_on that is not in finetune.held_out,
    # balanced in every batch.
    landscapes: Literal["home", "all"] = "home"
    # Train one adapter for each landscape, on its part of every batch, and keep the mean of their weight changes.
    merge: bool = False
    # Factor that the trained adapter is saved with.
    weight: Annotated[float, Field(gt=0, le=1, strict=True)] = 1.0

    @property
    def plain(self) -> bool:
        """Whether it trains as the recipes of the study do; the study's findings are about those."""
        return self.landscapes == "home" and self.weight == 1 and self.hard_negatives is None

    @field_validator("signals")
    @classmethod
    def _drawn(cls, signals: list[str]) -> list[str]:
        if unknown := [name for name in signals if name not in NAMES]:
            raise ValueError(f"there is no signal {unknown[0]!r}; those that there are: {', '.join(NAMES)}")
        return signals

    @model_validator(mode="after")
    def _trains(self) -> Recipe:
        if not self.signals and not self.plain:
            raise ValueError("it sets how to train, but has no `signals` to train on")
        if self.merge and self.landscapes == "home":
            raise ValueError("`merge` is for `landscapes: all`")
        if self.hard_negatives and "section" in self.signals:
            raise ValueError("`hard_negatives` are whole texts, section pairs are not: leave one of them out")
        return self


def recipe_entry(name: str) -> Recipe:
    """Entry of a recipe. Raises UserError where the id is unknown or the entry is wrong."""
    return registry.entry("recipes", name, Recipe)
