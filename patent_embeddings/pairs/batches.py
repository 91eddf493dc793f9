"""Draw the pairs of a recipe and lay them out in batches, each with its forbidden negatives."""

from __future__ import annotations

import numpy as np
import pandas as pd

from patent_embeddings.pairs import signals
from patent_embeddings.pairs.material import Material, Pair
from patent_embeddings.pairs.values import Drawn


def draw(material: Material, recipe: Drawn, split: str, count: int, rng: np.random.Generator) -> list[Pair]:
    """Up to `count` pairs, in equal shares from every signal of the recipe; a short signal is not made up for."""
    each = zip(recipe.signals, shares(count, len(recipe.signals)), strict=True)
    return [pair for signal, n in each for pair in signals.module(signal).draw(material, recipe, split, n, rng)]


def shares(count: int, parts: int) -> list[int]:
    """A count in equal parts; what is left over goes to the first of them, one each."""
    return [count // parts + (part < count % parts) for part in range(parts)]


def batches(pairs: list[Pair], batch: int, steps: int, rng: np.random.Generator) -> list[list[Pair]]:
    """Exactly `steps` batches of `batch` pairs, going through all pairs in a new order as often as it takes."""
    queue: list[Pair] = []
    out = []
    for _ in range(steps):
        while len(queue) < batch:
            queue = [pairs[i] for i in rng.permutation(len(pairs))] + queue
        out.append([queue.pop() for _ in range(batch)])
    return out


def conflicts(batch: list[Pair], material: Material) -> list[list[int]]:
    """For each pair of a batch, the positions of the others that must not be its negatives, and it not theirs.

    Two are in conflict when a family of one is, cites or is cited by a family of the other, or carries its label.
    """
    where: dict[str, list[int]] = {}
    for position, pair in enumerate(batch):
        for family in {pair.anchor_id, pair.positive_id}:
            where.setdefault(family, []).append(position)
    carried = [set(material.labels.get(p.anchor_id, ())) | set(material.labels.get(p.positive_id, ())) for p in batch]
    found: list[set[int]] = [set() for _ in batch]
    for position, pair in enumerate(batch):
        for family in {pair.anchor_id, pair.positive_id}:
            for kin in {family} | material.linked.get(family, set()):
                found[position].update(where.get(kin, ()))
        if pair.signal == "label":
            found[position].update(other for other, labels in enumerate(carried) if pair.label in labels)
    for position, forbidden in enumerate([set(others) for others in found]):
        for other in forbidden:
            found[other].add(position)
    return [sorted(others - {position}) for position, others in enumerate(found)]


def table(split: str, laid: list[list[Pair]], material: Material) -> pd.DataFrame:
    """Rows of `PAIRS` for the batches of one split; `conflicts` are positions, as text."""
    rows = []
    for step, batch in enumerate(laid):
        for position, (pair, forbidden) in enumerate(zip(batch, conflicts(batch, material), strict=True)):
            place = {"split": split, "step": step, "position": position}
            rows.append({**place, **vars(pair), "conflicts": [str(other) for other in forbidden]})
    return pd.DataFrame(rows)
