"""The cell that is exported: its parameters and the registry entries that they name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.core.params import Params
from patent_embeddings.core.progress import say
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
        """Landscapes that the scored model was trained on; none where the adapter has no weight in it."""
        return self.params.trained_on(self.recipe) if self.weight else []

    @property
    def weight(self) -> float:
        """Weight of the trained adapter in the scored model, by recipe and cell; 0 where nothing was trained."""
        return self.recipe.weight * self.params.embed.adapter_scale if self.recipe.signals else 0.0

    @property
    def made(self) -> str:
        """How the model was made, for a text such as "minilm fine-tuned with r1 on sim-alpha"."""
        return f"fine-tuned with {self.params.recipe} on {', '.join(self.homes)}" if self.homes else "zero-shot"

    def chosen(self, landscape: str | None) -> list[str]:
        """The given landscape, or all of the cell's. Raises UserError where the cell is not scored on it."""
        known = list(self.params.evaluate_on)
        if landscape not in (None, *known):
            places = f"evaluate_on of {layout.PARAMS} has {', '.join(known)}{nearest(str(landscape), known)}"
            raise UserError(f"landscape {landscape!r} is none of the cell's: {places}")
        return known if landscape is None else [landscape]

    def english(self, landscapes: Iterable[str]) -> bool:
        """Whether the texts of these landscapes are known to be English: all but those from a user's own file."""
        return all(self.landscapes[name].source != "table" for name in landscapes)


def subject(params: Params) -> Subject:
    """The cell with its entries. Raises UserError where an id is in no registry, or its entry is wrong."""
    landscapes = {name: landscape_entry(name) for name in params.evaluate_on}
    return Subject(params, model_entry(params.model), recipe_entry(params.recipe), landscapes)


def require_ours(out: Path, what: str, *marks: str) -> None:
    """Raise UserError where a folder exists and has none of the files of an earlier export, which may be replaced."""
    if out.exists() and not any((out / name).exists() for name in marks):
        raise UserError(f"{out}: exists and {what} of an earlier export; name another folder with --out")


def drop_others(out: Path, marks: Collection[str], files: Collection[str], kept: Collection[str]) -> None:
    """Remove an earlier export's files from the folders below `out`, but for those of some landscapes.

    `files` are patterns of what the export writes into a folder, and an earlier one is known by having all `marks`.
    Other folders are left alone, and one that holds something else as well keeps that.
    """
    for folder in sorted(out.glob("*/")):
        if folder.name in kept or folder.is_symlink() or not all((folder / mark).exists() for mark in marks):
            continue
        for path in [path for name in files for path in folder.glob(name)]:
            path.unlink()
        say(f"{folder}: removed, as the cell is not scored on {folder.name}")
        for place in sorted(folder.glob("**/"), reverse=True):
            if not any(place.iterdir()):
                place.rmdir()
