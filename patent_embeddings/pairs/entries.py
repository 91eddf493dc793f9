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
    # all: pairs from every landscape of evaluate_on that finetune.held_out does not name, balanced in every batch.
    landscapes: Literal["home", "all"] = "home"
    # Of several landscapes: train an adapter on each one's part of every batch, and keep the mean of what they change.
    merge: bool = False
    # What the trained adapter is weighed with when it is kept; 1: the whole of it.
    weight: Annotated[float, Field(gt=0, le=1, strict=True)] = 1.0

    @property
    def plain(self) -> bool:
        """Whether it trains as the study's recipes do, which its findings are about."""
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
            raise ValueError("it says how to train, and there are no `signals` to train on")
        if self.merge and self.landscapes == "home":
            raise ValueError("`merge` is for `landscapes: all`")
        if self.hard_negatives and "section" in self.signals:
            raise ValueError("`hard_negatives` are whole texts, and section pairs join parts: leave one of them out")
        return self


def recipe_entry(name: str) -> Recipe:
    """Entry of a recipe. Raises UserError where the id is unknown or the entry is wrong."""
    return registry.entry("recipes", name, Recipe)
