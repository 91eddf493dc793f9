"""Values of the stage `report`."""

from __future__ import annotations

from patent_embeddings.core.params import Params, Values
from patent_embeddings.corpus.entries import Landscape, View
from patent_embeddings.encoders.entries import Model
from patent_embeddings.pairs.entries import Recipe


class ReportValues(Values):
    """The stage `report`: all that its page may show."""

    cell: Params
    model: Model
    recipe: Recipe
    landscapes: dict[str, Landscape]
    views: dict[str, View]
