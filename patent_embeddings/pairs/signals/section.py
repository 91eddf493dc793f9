"""Section pairs: two sections of one family, such as its abstract and its claims."""

from __future__ import annotations

import numpy as np

from patent_embeddings.core import layout
from patent_embeddings.corpus.views import section
from patent_embeddings.pairs.material import Material, Pair
from patent_embeddings.pairs.values import Drawn


def draw(material: Material, recipe: Drawn, split: str, count: int, rng: np.random.Generator) -> list[Pair]:
    """Up to `count` section pairs, one for each family with both sections; dev pairs are of the dev split."""
    allowed = material.allowed(split)
    ids = material.families["family_id"].tolist()
    first, second = (section(material.families, name) for name in recipe.sections)
    pairs = [
        Pair("section", family, family, anchor, positive)
        for family, anchor, positive in zip(ids, first, second, strict=True)
        if anchor and positive and family in allowed and (split != "dev" or material.splits[family] == "dev")
    ]
    return [pairs[i] for i in rng.permutation(len(pairs))[:count]]


def needs(recipe: Drawn) -> tuple[str, str]:
    """What a landscape without any such pair lacks, and what to do about it."""
    first, second = recipe.sections
    where = layout.registry("recipes")
    return f"families with both {first} and {second}", f"change sections of the recipe in {where}"
