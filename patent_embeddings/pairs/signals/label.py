"""Label pairs: two families of one split that share a label."""

from __future__ import annotations

import numpy as np

from patent_embeddings.core import layout
from patent_embeddings.pairs.material import Material, Pair
from patent_embeddings.pairs.values import Drawn

# Draws per pair asked for: pairs that were drawn before are drawn again, and a landscape may have too few.
_TRIES = 20


def draw(material: Material, recipe: Drawn, split: str, count: int, rng: np.random.Generator) -> list[Pair]:
    """Up to `count` distinct label pairs of `split`: anchors in random order, label and partner at random.

    Both families of a train pair are in the train split, since test families are classified by these labels.
    """
    members: dict[str, list[str]] = {}
    allowed = material.allowed(split)
    for family in sorted(material.labels):
        if material.splits[family] == split and family in allowed and material.texts[family]:
            for label in material.labels[family]:
                members.setdefault(label, []).append(family)
    shared = {label: families for label, families in members.items() if len(families) > 1}
    anchors = sorted({family for families in shared.values() for family in families})
    labels = {family: [label for label in material.labels[family] if label in shared] for family in anchors}
    pairs: dict[tuple[str, str], Pair] = {}
    order: list[str] = []
    for _ in range(count * _TRIES if anchors else 0):
        if len(pairs) == count:
            break
        if not order:
            order = [anchors[i] for i in rng.permutation(len(anchors))]
        anchor = order.pop()
        label = labels[anchor][rng.integers(len(labels[anchor]))]
        partner = shared[label][rng.integers(len(shared[label]))]
        key = (min(anchor, partner), max(anchor, partner))
        if anchor != partner and key not in pairs:
            pairs[key] = Pair("label", anchor, partner, material.texts[anchor], material.texts[partner], label)
    return list(pairs.values())


def needs(recipe: Drawn) -> tuple[str, str]:
    """What a landscape without any such pair lacks, and what to do about it."""
    where = layout.registry("recipes")
    return f"labels of the set {recipe.label_set!r}", f"change label_set of the recipe in {where}"
