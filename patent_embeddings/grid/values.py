"""What the stage `report` reads of the entries and of params.yaml."""

from __future__ import annotations

from patent_embeddings.core.params import Params, Values
from patent_embeddings.corpus.entries import Landscape, View
from patent_embeddings.encoders.entries import Model
from patent_embeddings.pairs.entries import Recipe


class ReportValues(Values):
    """The stage `report`: whatever its page may show."""

    cell: Params
    model: Model
    recipe: Recipe
    landscapes: dict[str, Landscape]
    views: dict[str, View]
