"""Draw the training and dev pairs of a recipe from the landscapes that it trains on, in batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.corpus.schemas import CITATIONS, FAMILIES, LABELS, POOL, QRELS, QUERIES, VIEW
from patent_embeddings.pairs import signals
from patent_embeddings.pairs.material import Kin, Material, Pair
from patent_embeddings.pairs.schemas import DOCUMENTS, PAIRS
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

    Training has exactly `amount.steps` batches of `amount.batch` pairs, or of all pairs of a landscape that has fewer
    than its share; dev has at most four batches, each pair once. Each of several landscapes gives an equal share of the
    pairs and of every batch, in which its pairs are contiguous; none makes up for another.

    Raises UserError: a landscape has no train pair of some signal, or no dev pair at all; or the batch or the pairs
    asked for are too few for every landscape and signal.
    """
    if amount.batch < len(materials):
        said = f"finetune.batch is {amount.batch}, fewer than the {len(materials)} landscapes that share a batch"
        raise UserError(f"{layout.PARAMS}: {said}; set it higher")
    if amount.pairs < len(materials) * len(recipe.signals):
        said = f"fewer than one of each of {len(recipe.signals)} signals on {len(materials)} landscapes"
        raise UserError(f"{layout.PARAMS}: finetune.pairs is {amount.pairs}, {said}; set it higher")
    kin, rows = Kin(materials.values()), []
    for number, (split, count) in enumerate([("train", amount.pairs), ("dev", DEV_BATCHES * amount.batch)]):
        # Each split has its own random stream, so that the number of dev pairs does not change the training pairs.
        rng = np.random.default_rng([amount.seed, number])
        drawn = []
        shares = zip(_shares(count, len(materials)), _shares(amount.batch, len(materials)), strict=True)
        for (landscape, material), (wanted, room) in zip(materials.items(), shares, strict=True):
            pairs = _pairs(material, recipe, split, wanted, rng)
            # Dev pairs only select the checkpoint: a small dev split may lack one of several signals.
            for signal in recipe.signals if split == "train" or not pairs else []:
                if not any(pair.signal == signal for pair in pairs):
                    lacking, mend = signals.module(signal).needs(recipe)
                    said = f"no {lacking} to draw {split} pairs from, and the recipe needs {signal} pairs"
                    raise UserError(f"landscape {landscape!r} has {said}; {mend}")
            drawn.append((landscape, pairs, min(room, len(pairs))))
        steps = amount.steps if split == "train" else min(len(pairs) // batch for _, pairs, batch in drawn)
        parts = [batches(pairs, batch, steps, rng) for _, pairs, batch in drawn]
        for step in range(steps):
            laid = [(name, pair) for (name, *_), part in zip(drawn, parts, strict=True) for pair in part[step]]
            barred = conflicts([pair for _, pair in laid], kin)
            for position, ((landscape, pair), others) in enumerate(zip(laid, barred, strict=True)):
                place = {"landscape": landscape, "split": split, "step": step, "position": position}
                rows.append({**place, **vars(pair), "conflicts": list(map(str, others))})  # positions in the batch
    return pd.DataFrame(rows)


def _pairs(material: Material, recipe: Drawn, split: str, count: int, rng: np.random.Generator) -> list[Pair]:
    """Up to `count` pairs, an equal share from each signal of the recipe; no signal makes up for another."""
    each = zip(recipe.signals, _shares(count, len(recipe.signals)), strict=True)
    return [pair for signal, n in each for pair in signals.module(signal).draw(material, recipe, split, n, rng)]


def _shares(count: int, parts: int) -> list[int]:
    """Split a count into equal parts; the first parts get one more where it does not divide."""
    return [count // parts + (part < count % parts) for part in range(parts)]


def batches(pairs: list[Pair], batch: int, steps: int, rng: np.random.Generator) -> list[list[Pair]]:
    """Exactly `steps` batches of `batch` pairs, from as many passes over all pairs, each in a new order, as needed."""
    queue: list[Pair] = []
    out = []
    for _ in range(steps):
        while len(queue) < batch:
            queue = [pairs[i] for i in rng.permutation(len(pairs))] + queue
        out.append([queue.pop() for _ in range(batch)])
    return out


def conflicts(batch: list[Pair], kin: Kin) -> list[list[int]]:
    """For each pair of a batch, the positions of the pairs that must not be its negatives; the relation is symmetric.

    Two pairs are in conflict when they have a text in common, or when a family of one is, cites or is cited by a family
    of the other, or carries its label. Families with a text in common count as one, see `Kin`.
    """
    signs = [kin.signs(pair) for pair in batch]
    holders = defaultdict[tuple[str, str], set[int]](set)
    for position, (has, _) in enumerate(signs):
        for sign in has:
            holders[sign].add(position)
    found = [set[int]().union(*(holders[sign] for sign in bars if sign in holders)) for _, bars in signs]
    for position, forbidden in enumerate([set(others) for others in found]):
        for other in forbidden:
            found[other].add(position)
    return [sorted(others - {position}) for position, others in enumerate(found)]


def documents(materials: Mapping[str, Material], pairs: pd.DataFrame, label_set: str) -> pd.DataFrame:
    """Rows of `DOCUMENTS`, from the materials of landscapes by id.

    A document is a family of the train split with a text. A training pair can also touch a family of the test split
    that is no query: it has a row without text, which only says what it is related to. `kin` are the families that cite
    it or are cited by it. Labels are of the recipe's `label_set`; a landscape without any is reported. `pairs` are rows
    of `PAIRS` of these landscapes.
    """
    kin, rows = Kin(materials.values()), []
    for landscape, material in materials.items():
        if not any(material.labels.values()):
            what = f"no label of the set {label_set!r}, so that labels bar no hard negative"
            say(f"landscape {landscape!r}: {what}; change label_set of the recipe in {layout.registry('recipes')}")
        allowed = material.allowed("train")
        texts = {
            family: material.texts[family]
            for family, split in material.splits.items()
            if split == "train" and family in allowed and material.texts.get(family)
        }
        own = pairs[(pairs["landscape"] == landscape) & (pairs["split"] == "train")]
        for family in {*texts, *own["anchor_id"], *own["positive_id"]}:
            twins = kin.twins([family])
            related, labels = sorted(kin.linked(twins)), sorted(kin.labels(twins))
            rows.append((landscape, family, texts.get(family, ""), related, labels))
    return pd.DataFrame(rows, columns=list(DOCUMENTS.columns))


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
