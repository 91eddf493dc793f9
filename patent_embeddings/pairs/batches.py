"""Draw the pairs of a recipe and arrange them in batches, with the pairs that must not be each other's negatives."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd

from patent_embeddings.pairs import signals
from patent_embeddings.pairs.material import Material, Pair
from patent_embeddings.pairs.values import Drawn


def draw(material: Material, recipe: Drawn, split: str, count: int, rng: np.random.Generator) -> list[Pair]:
    """Up to `count` pairs, an equal share from each signal of the recipe; no signal makes up for another."""
    each = zip(recipe.signals, shares(count, len(recipe.signals)), strict=True)
    return [pair for signal, n in each for pair in signals.module(signal).draw(material, recipe, split, n, rng)]


def shares(count: int, parts: int) -> list[int]:
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


def conflicts(batch: list[Pair], material: Material) -> list[list[int]]:
    """For each pair of a batch, the positions of the pairs that must not be its negatives; the relation is symmetric.

    Two pairs are in conflict when a family of one is, cites or is cited by a family of the other, or carries its label.
    Families can share a text: a pair with a text of such a family is in conflict too.
    """
    of_family, of_text = defaultdict[str, set[int]](set), defaultdict[str, set[int]](set)
    for position, pair in enumerate(batch):
        for family in (pair.anchor_id, pair.positive_id):
            of_family[family].add(position)
        for text in (pair.anchor, pair.positive):
            of_text[text].add(position)
    carried = [set(material.labels.get(p.anchor_id, ())) | set(material.labels.get(p.positive_id, ())) for p in batch]
    found: list[set[int]] = [set() for _ in batch]
    for position, pair in enumerate(batch):
        own = {pair.anchor_id, pair.positive_id}
        related = own.union(*(material.linked.get(family, ()) for family in own))
        texts = {pair.anchor, pair.positive, *(material.texts.get(family, "") for family in related)}
        found[position].update(*(of_family.get(family, ()) for family in related))
        found[position].update(*(of_text.get(text, ()) for text in texts))
        if pair.signal == "label":
            found[position].update(other for other, labels in enumerate(carried) if pair.label in labels)
    for position, forbidden in enumerate([set(others) for others in found]):
        for other in forbidden:
            found[other].add(position)
    return [sorted(others - {position}) for position, others in enumerate(found)]


def table(split: str, laid: list[list[Pair]], material: Material) -> pd.DataFrame:
    """Rows of `PAIRS` for the batches of one split; `conflicts` are positions in the batch, as text."""
    rows = []
    for step, batch in enumerate(laid):
        for position, (pair, forbidden) in enumerate(zip(batch, conflicts(batch, material), strict=True)):
            place = {"split": split, "step": step, "position": position}
            rows.append({**place, **vars(pair), "conflicts": [str(other) for other in forbidden]})
    return pd.DataFrame(rows)
