"""What is handed over: a cell by its parameters, and the entries that it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from patent_embeddings.core.params import Params
from patent_embeddings.corpus.entries import landscape_entry
from patent_embeddings.encoders.entries import Model, model_entry
from patent_embeddings.pairs.entries import Recipe, recipe_entry


@dataclass(frozen=True)
class Subject:
    """A cell with its entries; `landscapes` are all of `evaluate_on`, by id."""

    params: Params
    model: Model
    recipe: Recipe
    landscapes: Mapping[str, Any]

    @property
    def homes(self) -> list[str]:
        """Landscapes that it was trained on; none where nothing was trained."""
        return self.params.trained_on(self.recipe)

    def english(self, landscapes: Iterable[str]) -> bool:
        """Whether the texts of these landscapes are known to be: all but a file of the user's, which does not say."""
        return all(self.landscapes[name].source != "table" for name in landscapes)


def subject(params: Params) -> Subject:
    """A cell with its entries. Raises UserError where an id is in no registry, or its entry is wrong."""
    landscapes = {name: landscape_entry(name) for name in params.evaluate_on}
    return Subject(params, model_entry(params.model), recipe_entry(params.recipe), landscapes)
