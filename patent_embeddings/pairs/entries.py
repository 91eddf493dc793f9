"""Entries of `registry/recipes.yaml`; every field is documented where it is declared."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from patent_embeddings.core import registry
from patent_embeddings.core.entries import Entry

Signal = Literal["citation", "cross-field", "label", "section"]


class Recipe(Entry):
    """A fine-tuning recipe: which training signals it draws pairs from, and how it trains on them."""

    description: str
    signals: list[Signal] = []  # empty: zero-shot; several: equal shares
    sections: tuple[str, str] = ("abstract", "claims")  # that a section pair joins
    label_set: str = "ipc-subclass"  # that a label pair shares a label of
    # all: pairs from every landscape of evaluate_on that finetune.held_out does not name, balanced in every batch.
    landscapes: Literal["home", "all"] = "home"
    # Of several landscapes: train an adapter on each one's part of every batch, and keep the mean of what they change.
    merge: bool = False
    # Weight in the loss of 1 - cosine between the tuned and the zero-shot vector of a text, mean over the texts.
    anchor: Annotated[float, Field(ge=0)] = 0.0
    # Leave out of the negatives what the zero-shot model finds more similar to a text than its pair.
    guide: bool = False
    # Weight that the trained adapter is kept with; dev: that of four which has the lowest loss on the dev pairs.
    scale: Literal["dev"] | float | None = None

    @property
    def plain(self) -> bool:
        """Whether it trains as the study's recipes do, which its findings are about."""
        guarded = self.anchor or self.guide or self.scale or self.landscapes == "all"
        return not guarded and "cross-field" not in self.signals

    @field_validator("scale", mode="before")
    @classmethod
    def _part(cls, scale: Any) -> Any:
        if scale in (None, "dev") or (isinstance(scale, float) and 0 < scale < 1):
            return scale
        raise ValueError("it is `dev`, or a number above 0 and below 1")

    @model_validator(mode="after")
    def _trains(self) -> Recipe:
        if not self.signals and not self.plain:
            raise ValueError("it says how to train, and there are no `signals` to train on")
        if self.merge and (self.landscapes == "home" or self.scale == "dev"):
            raise ValueError("`merge` is for `landscapes: all`, and without `scale: dev`")
        return self


def recipe_entry(name: str) -> Recipe:
    """Entry of a recipe. Raises UserError where the id is unknown or the entry is wrong."""
    return registry.entry("recipes", name, Recipe)
