"""Training split of the cell's landscape -> the pairs and batches of its recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.schemas import CITATIONS, FAMILIES, LABELS, POOL, QUERIES, VIEW
from patent_embeddings.pairs import batches
from patent_embeddings.pairs.material import Material, joined
from patent_embeddings.pairs.schemas import PAIRS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from patent_embeddings.core.params import Finetune
    from patent_embeddings.pairs.entries import Recipe
    from patent_embeddings.pairs.material import Material

DEV_BATCHES = 4


def read(landscape: str, view: str, recipe: Recipe) -> Material:
    """Gather what the recipe draws from: families, texts, citations, labels and splits of one landscape."""

    families = tables.read(layout.families(landscape), FAMILIES)
    texts = tables.read(layout.view(landscape, view), VIEW)
    labels = tables.read(layout.task(landscape, "labels"), LABELS)
    queries = tables.read(layout.task(landscape, "queries"), QUERIES)
    pool = tables.read(layout.task(landscape, "pool"), POOL)
    ours = labels[labels["label_set"] == recipe.label_set]
    citations = tables.read(layout.citations(landscape), CITATIONS)
    return Material(
        families=families,
        citations=citations,
        labels={family: list(names) for family, names in zip(ours["family_id"], ours["labels"], strict=True)},
        texts=dict(zip(texts["family_id"], texts["text"], strict=True)),
        splits=dict(zip(pool["family_id"], pool["split"], strict=True)),
        queries=frozenset(queries["query_id"]),
    )


def laid_out(materials: Mapping[str, Material], recipe: Recipe, settings: Finetune) -> pd.DataFrame:
    """Batches of the train and dev pairs as rows of `PAIRS`.

    Training has exactly `settings.steps` batches of `settings.batch`; dev at most four, each pair once. Of several
    landscapes each gives an equal share of the pairs and of every batch, where its pairs stand together; a landscape
    with fewer is not made up for.

    Args:
        materials: of each landscape, by its id.
        recipe: what is drawn.
        settings: the `finetune` block of params.yaml.

    Raises:
        UserError: the landscape gives a signal of the recipe no train pair, or the recipe no dev pair.
    """

    if settings.batch < len(materials):
        raise UserError(f"{layout.PARAMS}: finetune.batch is {settings.batch}, fewer than the {len(materials)} landscapes that share a batch; set it higher")  # fmt: skip
    whole = joined(list(materials.values()))
    frames = []
    for number, (split, count) in enumerate([("train", settings.pairs), ("dev", DEV_BATCHES * settings.batch)]):
        # Each split has a stream of its own, so that more dev pairs would not change the training pairs.
        rng = np.random.default_rng([settings.seed, number])
        drawn = []
        shares = zip(batches.shares(count, len(materials)), batches.shares(settings.batch, len(materials)), strict=True)
        for (landscape, material), (wanted, room) in zip(materials.items(), shares, strict=True):
            pairs = batches.draw(material, recipe, split, wanted, rng)
            # Dev pairs only say which checkpoint is best: a small dev split may lack one of several signals.
            for signal in recipe.signals if split == "train" or not pairs else []:
                if not any(pair.signal == signal for pair in pairs):
                    raise UserError(_nothing(signal, split, recipe, landscape))
            drawn.append((pairs, min(room, len(pairs))))
        steps = settings.steps if split == "train" else min(len(pairs) // batch for pairs, batch in drawn)
        parts = [batches.batches(pairs, batch, steps, rng) for pairs, batch in drawn]
        laid = [[pair for part in step for pair in part] for step in zip(*parts, strict=True)]
        of = [landscape for step in zip(*parts, strict=True) for landscape, part in zip(materials, step, strict=True) for _ in part]  # fmt: skip
        frames.append(batches.table(split, laid, whole).assign(landscape=of))
    return pd.concat(frames, ignore_index=True)


def _nothing(signal: str, split: str, recipe: Recipe, landscape: str) -> str:
    first, second = recipe.sections
    needs = {
        "citation": ("citations between its families", "choose a recipe without citation pairs"),
        "cross-field": (
            "citations between families that share no IPC class",
            "choose a recipe without cross-field pairs",
        ),
        "label": (
            f"labels of the set {recipe.label_set!r}",
            f"change label_set of the recipe in {layout.registry('recipes')}",
        ),
        "section": (
            f"families with both {first} and {second}",
            f"change sections of the recipe in {layout.registry('recipes')}",
        ),
    }
    what, mend = needs[signal]
    return (
        f"landscape {landscape!r} has no {what} to draw {split} pairs from, and the recipe needs {signal} pairs; {mend}"
    )


def empty() -> pd.DataFrame:
    """The pairs of a recipe that trains nothing."""

    return pd.DataFrame(columns=list(PAIRS.columns)).astype({"step": "int64", "position": "int64"})
