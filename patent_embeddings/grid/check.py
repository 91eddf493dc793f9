"""Validate the parameters and ids of a cell before anything runs, and prune landscapes no longer evaluated."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from patent_embeddings.core import layout, registry
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.core.params import Params
from patent_embeddings.corpus.entries import landscape_entry, view_entry
from patent_embeddings.encoders.entries import Model, model_entry, reranker_entry
from patent_embeddings.evaluation.systems import metrics
from patent_embeddings.pairs.entries import Recipe, recipe_entry


def validate(cell: Params) -> None:
    """Raise UserError at the first id or combination of parameters that cannot run."""
    model, recipe = model_entry(cell.model), recipe_entry(cell.recipe)
    if cell.rerank.model is not None:
        reranker_entry(cell.rerank.model)
    for view in (cell.query_view, cell.document_view):
        view_entry(view)
    _landscapes(cell)
    for fault in (*_training(cell, model, recipe), *_ranking(cell, model), *_encoding(cell, model)):
        raise UserError(f"{layout.PARAMS}: {fault}")


def _landscapes(cell: Params) -> None:
    """Raise UserError where a landscape is unknown, lacks its file, or is named twice."""
    for name in cell.evaluate_on:
        landscape = landscape_entry(name)
        # In a fresh clone DVC has not checked the file out yet: its .dvc file in git is enough.
        kept = [landscape, landscape.queries, landscape.qrels] if landscape.source == "table" else []
        for file in (one.file for one in kept if one):
            if not any(Path(file + end).exists() for end in ("", ".dvc")):
                mend = f"`dvc pull {file}` or add it again"
                raise UserError(f"{file}: the file of landscape {name!r} is missing; {mend}")
    if len(set(cell.evaluate_on)) < len(cell.evaluate_on):
        raise UserError(f"{layout.PARAMS}: evaluate_on names a landscape twice: {', '.join(cell.evaluate_on)}")


def _training(cell: Params, model: Model, recipe: Recipe) -> Iterator[str]:
    scored, held = ", ".join(cell.evaluate_on), cell.finetune.held_out
    if recipe.signals and model.encoder == "late":
        why = f"{cell.model} has a vector a token, which no recipe here tunes"
        yield f"recipe {cell.recipe!r} trains, but {why}; set recipe to zero-shot"
    if cell.landscape not in cell.evaluate_on:
        known = registry.ids("landscapes")
        hint = "" if cell.landscape in known else nearest(cell.landscape, known)
        mend = f"add it there or train on one of them{hint}"
        why = f"where the recipe is trained, is always one of evaluate_on ({scored})"
        yield f"landscape {cell.landscape!r}, {why}; {mend}"
    if unknown := sorted(set(held) - set(cell.evaluate_on)):
        mend = "nothing is scored there, so correct the id or leave it out"
        yield f"finetune.held_out names {unknown[0]!r}, which is not one of evaluate_on ({scored}); {mend}"
    if recipe.landscapes == "home" and recipe.signals and cell.landscape in held:
        why = f"recipe {cell.recipe!r} trains on it alone; train elsewhere or take it out"
        yield f"landscape {cell.landscape!r} is in finetune.held_out, but {why}"
    if recipe.signals and not cell.trained_on(recipe):
        yield "finetune.held_out names every landscape of evaluate_on: none is left to train on"
    amount = cell.finetune
    if recipe.signals and amount.batch > amount.pairs:
        why = "a batch would hold a pair more than once; lower it, or raise finetune.pairs"
        yield f"finetune.batch is {amount.batch}, more than finetune.pairs ({amount.pairs}): {why}"
    if recipe.signals and amount.evaluations > amount.steps:
        why = "the loss is taken once a step at most; lower it, or raise finetune.steps"
        yield f"finetune.evaluations is {amount.evaluations}, more than finetune.steps ({amount.steps}): {why}"


def _ranking(cell: Params, model: Model) -> Iterator[str]:
    dimensions, centre = cell.search.dimensions, cell.search.centre
    deepest = max(int(cut) for metric in metrics("retrieval") if (cut := metric.partition("@")[2]))
    for stage in ("bm25", "search", "fuse"):
        if (depth := getattr(cell, stage).depth) < deepest:
            why = f"metrics look at the {deepest} best"
            yield f"{stage}.depth is {depth}, but {why}; use {deepest} or more"
    if dimensions is not None and dimensions > model.dimension:
        yield f"search.dimensions is {dimensions}, but {cell.model} has {model.dimension} dimensions"
    if centre != "none" and model.similarity == "maxsim":
        why = f"{cell.model} compares token by token and has no mean vector"
        yield f"search.centre is {centre!r}, but {why}; set it to none"


def _encoding(cell: Params, model: Model) -> Iterator[str]:
    tokens, stride = cell.embed.passages.tokens, cell.embed.passages.stride
    kept = model.kept(cell.embed.length)
    if tokens is not None and model.similarity == "maxsim":
        yield f"embed.passages.tokens is {tokens}, but {cell.model} has a vector a token already; set it to null"
    if tokens is not None and stride > tokens:
        why = "words between would be left out; use so many or fewer"
        yield f"embed.passages.stride is {stride}, more than embed.passages.tokens ({tokens}): {why}"
    if tokens is not None and tokens > kept:
        yield f"embed.passages.tokens is {tokens}, but {kept} tokens are kept of a text; use fewer"
    if cell.embed.length is not None and cell.embed.length > model.max_length:
        yield f"embed.length is {cell.embed.length}, but {cell.model} takes at most {model.max_length} tokens"


def prune(keep: list[str]) -> None:
    """Remove data of landscapes not in `keep`, and files that older versions wrote; DVC's cache still has them."""
    for run in (layout.DATA / "runs").glob("*/oracle-*.parquet"):  # stages depend on the whole folder
        run.unlink()
    for kind in layout.PER_LANDSCAPE:
        folder = layout.DATA / kind
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            name = path.name.split(".")[0]
            if name and name not in keep and name != layout.CELL:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
