"""Draw the pairs of a recipe and lay them out in batches, each with its forbidden negatives."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pandas as pd

from patent_embeddings.pairs.material import Material, Pair

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from patent_embeddings.pairs.entries import Recipe


def draw(material: Material, recipe: Recipe, split: str, count: int, rng: np.random.Generator) -> list[Pair]:
    """Up to `count` pairs, in equal shares from every signal of the recipe; a short signal is not made up for."""
    pairs: list[Pair] = []
    for signal, share in zip(recipe.signals, shares(count, len(recipe.signals)), strict=True):
        pairs += import_module(f"patent_embeddings.pairs.{signal.replace('-', '_')}").draw(
            material, recipe, split, share, rng
        )
    return pairs


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
    """For each pair of a batch, the positions of the others that must not be its negatives.

    Two pairs are in conflict when a family of one is, cites or is cited by a family of the other,
    or carries the label that a label pair was drawn from. The relation is symmetric.
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
            rows.append(
                {"split": split, "step": step, "position": position, "signal": pair.signal, "label": pair.label,
                 "anchor_id": pair.anchor_id, "positive_id": pair.positive_id, "anchor": pair.anchor,
                 "positive": pair.positive, "conflicts": [str(other) for other in forbidden]}
            )  # fmt: skip
    return pd.DataFrame(rows)
