"""Draw the training and dev pairs of a recipe from the landscapes that it trains on, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.schemas import CITATIONS, FAMILIES, LABELS, POOL, QRELS, QUERIES, VIEW
from patent_embeddings.pairs import batches, signals
from patent_embeddings.pairs.documents import documents
from patent_embeddings.pairs.material import Material, joined
from patent_embeddings.pairs.schemas import PAIRS
from patent_embeddings.pairs.values import Amount, Drawn, PairsValues

DEV_BATCHES = 4


def drawn(values: PairsValues) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Rows of `PAIRS` of a cell, none for the zero-shot recipe; and rows of `DOCUMENTS`, None without hard negatives.

    Reads the tables of the cell's landscapes. Raises UserError: as `laid_out`, or a table is absent or damaged.
    """
    if not values.trained_on:
        return tables.empty(PAIRS), None
    # Landscapes that are only evaluated on count too: they may share families with those that are trained on.
    ids = [tables.read(layout.task(name, "queries"), QUERIES)["query_id"] for name in values.evaluate_on]
    queries = frozenset().union(*ids)
    materials = {name: replace(_read(name, values), queries=queries) for name in values.trained_on}
    pairs = laid_out(materials, values.recipe, values.amount)
    return pairs, documents(materials, pairs, values.recipe.label_set) if values.recipe.hard_negatives else None


def _read(landscape: str, values: PairsValues) -> Material:
    """Families, texts, citations, labels and splits of one landscape.

    In a landscape without citations, with judgements of the user's own, a query counts as citing its relevant families.
    """
    texts = tables.read(layout.view(landscape, values.document_view), VIEW)
    citations, words = tables.read(layout.citations(landscape), CITATIONS, ["citing_id", "cited_id"]), {}
    if citations.empty and landscape in values.judged:
        queries = tables.read(layout.task(landscape, "queries"), QUERIES)
        words = {query: text for query, text in zip(queries["query_id"], queries["text"], strict=True) if text}
        judged = tables.read(layout.task(landscape, "qrels"), QRELS)
        relevant = judged.loc[judged["relevance"] > 0, ["query_id", "family_id"]]
        citations = relevant.set_axis(["citing_id", "cited_id"], axis=1)
    labels = tables.read(layout.task(landscape, "labels"), LABELS)
    pool = tables.read(layout.task(landscape, "pool"), POOL)
    ours = labels[labels["label_set"] == values.recipe.label_set]
    return Material(
        families=tables.read(layout.families(landscape), FAMILIES),
        citations=citations,
        labels={family: list(names) for family, names in zip(ours["family_id"], ours["labels"], strict=True)},
        texts=dict(zip(texts["family_id"], texts["text"], strict=True)) | words,
        splits=dict(zip(pool["family_id"], pool["split"], strict=True)),
        queries=frozenset(),
    )


def laid_out(materials: Mapping[str, Material], recipe: Drawn, amount: Amount) -> pd.DataFrame:
    """Batches of the train and dev pairs, from the materials of landscapes by id, as rows of `PAIRS`.

    Training has exactly `amount.steps` batches of `amount.batch` pairs; dev has at most four batches, each pair once.
    Each of several landscapes gives an equal share of the pairs and of every batch, in which its pairs are contiguous;
    none makes up for another. Raises UserError: a landscape has no train pair of some signal, or no dev pair at all.
    """
    if amount.batch < len(materials):
        said = f"finetune.batch is {amount.batch}, fewer than the {len(materials)} landscapes that share a batch"
        raise UserError(f"{layout.PARAMS}: {said}; set it higher")
    whole = joined(list(materials.values()))
    frames = []
    for number, (split, count) in enumerate([("train", amount.pairs), ("dev", DEV_BATCHES * amount.batch)]):
        # Each split has its own random stream, so that the number of dev pairs does not change the training pairs.
        rng = np.random.default_rng([amount.seed, number])
        drawn = []
        shares = zip(batches.shares(count, len(materials)), batches.shares(amount.batch, len(materials)), strict=True)
        for (landscape, material), (wanted, room) in zip(materials.items(), shares, strict=True):
            pairs = batches.draw(material, recipe, split, wanted, rng)
            # Dev pairs only select the checkpoint: a small dev split may lack one of several signals.
            for signal in recipe.signals if split == "train" or not pairs else []:
                if not any(pair.signal == signal for pair in pairs):
                    lacking, mend = signals.module(signal).needs(recipe)
                    said = f"no {lacking} to draw {split} pairs from, and the recipe needs {signal} pairs"
                    raise UserError(f"landscape {landscape!r} has {said}; {mend}")
            drawn.append((pairs, min(room, len(pairs))))
        steps = amount.steps if split == "train" else min(len(pairs) // batch for pairs, batch in drawn)
        parts = [batches.batches(pairs, batch, steps, rng) for pairs, batch in drawn]
        laid = [[pair for part in step for pair in part] for step in zip(*parts, strict=True)]
        once = [name for name, (_, batch) in zip(materials, drawn, strict=True) for _ in range(batch)]
        frames.append(batches.table(split, laid, whole).assign(landscape=once * steps))
    return pd.concat(frames, ignore_index=True)


def fewer(pairs: pd.DataFrame, values: PairsValues) -> Iterator[str]:
    """Warn where the steps cannot use all pairs asked for, and where there are fewer distinct pairs."""
    amount = values.amount
    room = amount.steps * amount.batch
    used = len(pairs.loc[pairs["split"] == "train", ["anchor_id", "positive_id", "signal"]].drop_duplicates())
    if values.trained_on and room < amount.pairs:
        said = f"{amount.steps} steps of {amount.batch} have room for {room} of the {amount.pairs} pairs asked for"
        yield f"{said}; raise finetune.steps to use them all"
    if values.trained_on and used < min(room, amount.pairs):
        said = f"{used} distinct training pairs, fewer than the {amount.pairs} asked for"
        yield f"{', '.join(values.trained_on)}: {said}; all are used, steps stay {amount.steps}"
