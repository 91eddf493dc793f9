"""The results of a cell as data: all that its page, pictures and tables show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from patent_embeddings.core.params import Params
from patent_embeddings.encoders.entries import Model
from patent_embeddings.grid.cell import digest, full_name
from patent_embeddings.grid.keys import ReportValues
from patent_embeddings.pairs.entries import Recipe


@dataclass(frozen=True)
class LandscapeResults:
    """Results on a landscape; each frame has the columns of the schema of its name unless said otherwise."""

    name: str
    entry: Any
    families: pd.DataFrame  # family_id, title, ipc, domains
    queries: pd.DataFrame
    qrels: pd.DataFrame
    labels: pd.DataFrame
    pool: pd.DataFrame
    lengths: pd.DataFrame
    fusion: pd.DataFrame
    example: str | None  # the query of the worked example
    runs: dict[str, pd.DataFrame]  # system -> query_id, family_id, rank of that query
    published: pd.DataFrame  # published figures, and `ours`: rows of `calibration.beside`
    outcomes: pd.DataFrame  # rows of `OUTCOMES` of retrieval's leading metric
    compression: pd.DataFrame
    asked: pd.DataFrame  # properties of its scored test queries: rows of `failures.queries.profile`

    @property
    def judged(self) -> bool:
        """Whether its relevance judgements are the user's own."""
        return bool(self.entry.relevance == "judged")

    @property
    def cross_fitted(self) -> list[int]:
        """Folds over which fusion is cross-fitted; none where it is tuned on dev queries."""
        return sorted({int(split[5:]) for split in self.fusion["split"] if split.startswith("fold-")})


@dataclass(frozen=True)
class CellResults:
    """A cell, and everything that its stages measured."""

    values: ReportValues
    landscapes: list[LandscapeResults]
    scores: pd.DataFrame  # rows of SCORES, every landscape
    pairs: pd.DataFrame
    seen: pd.DataFrame
    curve: pd.DataFrame
    calibration: list[str]  # lines of `calibration.calibration`
    costs: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)  # landscape or `cell` -> stage -> record

    @property
    def params(self) -> Params:
        """The cell's parameters."""
        return self.values.cell

    @property
    def model(self) -> Model:
        """Entry of the model; its `length` is the cell's: the tokens that texts are cut to."""
        return self.values.model

    @property
    def recipe(self) -> Recipe:
        """Entry of the recipe."""
        return self.values.recipe

    @property
    def name(self) -> str:
        """The cell's name in pictures: model, recipe and the landscapes of training."""
        where = self.params.landscape if self.recipe.landscapes == "home" else "+".join(self.trained_on)
        return f"{self.params.model}, {self.params.recipe}, {where}"

    def source(self, *files: Path | Callable[[str], Path]) -> str:
        """The source line of numbers: `data/scores/L.parquet of minilm-r1-L-tac-fold0 (its digest)`.

        `files` are paths, or functions of `core.layout` that give one for each landscape of the cell.
        """
        names = [landscape.name for landscape in self.landscapes]
        paths = [one for file in files for one in ([file] if isinstance(file, Path) else map(file, names))]
        cell = f"{full_name(self.params, self.recipe)} ({digest(self.params, self.recipe)})"
        return f"{', '.join(path.as_posix() for path in paths)} of {cell}"

    @property
    def trained_on(self) -> list[str]:
        """Landscapes that the training pairs come from."""
        return self.params.trained_on(self.recipe)

    @property
    def simulated(self) -> list[str]:
        """Landscapes of the cell whose families are generated."""
        return [landscape.name for landscape in self.landscapes if landscape.entry.simulated]
