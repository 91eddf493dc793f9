"""Section pairs: two sections of one family, such as its abstract with its claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patent_embeddings.corpus.views import section
from patent_embeddings.pairs.material import Material, Pair

if TYPE_CHECKING:
    import numpy as np

    from patent_embeddings.pairs.entries import Recipe


def draw(material: Material, recipe: Recipe, split: str, count: int, rng: np.random.Generator) -> list[Pair]:
    """Up to `count` section pairs, one a family that has both sections; dev pairs come from the dev split."""
    allowed = material.allowed(split)
    ids = material.families["family_id"].tolist()
    first, second = (section(material.families, name) for name in recipe.sections)
    pairs = [
        Pair("section", family, family, anchor, positive)
        for family, anchor, positive in zip(ids, first, second, strict=True)
        if anchor and positive and family in allowed and (split != "dev" or material.splits[family] == "dev")
    ]
    return [pairs[i] for i in rng.permutation(len(pairs))[:count]]
