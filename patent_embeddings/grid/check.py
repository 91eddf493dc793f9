"""Refuse bad parameters and ids before anything is touched, and prune landscapes no longer evaluated."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from patent_embeddings.core import layout, registry
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.corpus.entries import landscape_entry, view_entry
from patent_embeddings.encoders.entries import model_entry, reranker_entry
from patent_embeddings.pairs.entries import recipe_entry

if TYPE_CHECKING:
    from patent_embeddings.core.params import Params


def validate(cell: Params) -> None:
    """Raise UserError at the first id or combination of the cell that cannot run."""

    model = model_entry(cell.model)
    recipe = recipe_entry(cell.recipe)
    if recipe.signals and model.encoder == "late":
        raise UserError(
            f"{layout.PARAMS}: recipe {cell.recipe!r} trains, but {cell.model} has a vector a token, which no recipe here tunes; set recipe to zero-shot"
        )
    if cell.rerank.model is not None:
        reranker_entry(cell.rerank.model)
    for view in (cell.query_view, cell.document_view):
        view_entry(view)
    for name in cell.evaluate_on:
        landscape = landscape_entry(name)
        if landscape.source == "table" and not _present(landscape.file):
            raise UserError(
                f"{landscape.file}: the file of landscape {name!r} is missing; `dvc pull {landscape.file}` or add it again"
            )
    if len(set(cell.evaluate_on)) < len(cell.evaluate_on):
        raise UserError(f"{layout.PARAMS}: evaluate_on names a landscape twice: {', '.join(cell.evaluate_on)}")
    if cell.landscape not in cell.evaluate_on:
        hint = nearest(cell.landscape, registry.ids("landscapes"))
        raise UserError(
            f"{layout.PARAMS}: landscape {cell.landscape!r}, where the recipe is trained, is always one of evaluate_on "
            f"({', '.join(cell.evaluate_on)}); add it there or train on one of them{hint}"
        )
    if unknown := sorted(set(cell.finetune.held_out) - set(cell.evaluate_on)):
        raise UserError(
            f"{layout.PARAMS}: finetune.held_out names {unknown[0]!r}, which is not one of evaluate_on ({', '.join(cell.evaluate_on)}); nothing is scored there, so correct the id or leave it out"
        )
    if recipe.landscapes == "home" and recipe.signals and cell.landscape in cell.finetune.held_out:
        raise UserError(
            f"{layout.PARAMS}: landscape {cell.landscape!r} is in finetune.held_out, but recipe {cell.recipe!r} trains on it alone; train elsewhere or take it out"
        )
    if recipe.signals and not cell.trained_on(recipe):
        raise UserError(
            f"{layout.PARAMS}: finetune.held_out names every landscape of evaluate_on: none is left to train on"
        )
    if cell.search.dimensions is not None and cell.search.dimensions > model.dimension:
        raise UserError(
            f"{layout.PARAMS}: search.dimensions is {cell.search.dimensions}, but {cell.model} has {model.dimension} dimensions"
        )
    if cell.search.centre != "none" and model.similarity == "maxsim":
        raise UserError(
            f"{layout.PARAMS}: search.centre is {cell.search.centre!r}, but {cell.model} compares token by token and has no mean vector; set it to none"
        )
    passages = cell.embed.passages
    if passages.tokens is not None:
        if model.similarity == "maxsim":
            raise UserError(
                f"{layout.PARAMS}: embed.passages.tokens is {passages.tokens}, but {cell.model} has a vector a token already; set it to null"
            )
        if passages.stride > passages.tokens:
            raise UserError(
                f"{layout.PARAMS}: embed.passages.stride is {passages.stride}, more than embed.passages.tokens ({passages.tokens}): words between would be left out; use so many or fewer"
            )
        if passages.tokens > model.kept(cell.embed.length):
            raise UserError(
                f"{layout.PARAMS}: embed.passages.tokens is {passages.tokens}, but {model.kept(cell.embed.length)} tokens are kept of a text; use fewer"
            )
    if cell.embed.length is not None and cell.embed.length > model.max_length:
        raise UserError(
            f"{layout.PARAMS}: embed.length is {cell.embed.length}, but {cell.model} takes at most {model.max_length} tokens"
        )


def _present(file: str) -> bool:

    # DVC may not have checked the file out yet (a fresh clone): its pointer in git is enough here.
    return Path(file).exists() or Path(f"{file}.dvc").exists()


def prune(keep: list[str]) -> None:
    """Remove data of landscapes that are not in `keep`; DVC's cache still has it."""
    for kind in layout.PER_LANDSCAPE:
        folder = layout.DATA / kind
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            name = path.name.split(".")[0]
            if name and name not in keep and name != layout.CELL:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
