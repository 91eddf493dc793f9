"""Citation pairs: a family and a family that it cites."""

from __future__ import annotations

import numpy as np

from patent_embeddings.pairs.material import Material, Pair
from patent_embeddings.pairs.values import Drawn


def draw(material: Material, recipe: Drawn, split: str, count: int, rng: np.random.Generator) -> list[Pair]:
    """Up to `count` distinct citation pairs, in random order; the citing family of a dev pair is in the dev split."""
    allowed = material.allowed(split)
    texts = material.texts
    edges = sorted(
        (citing, cited)
        for citing, cited in zip(material.citations["citing_id"], material.citations["cited_id"], strict=True)
        if texts[citing] and texts[cited] and {citing, cited} <= allowed
        if split != "dev" or material.splits[citing] == "dev"
    )
    chosen = (edges[i] for i in rng.permutation(len(edges))[:count])
    return [Pair("citation", citing, cited, texts[citing], texts[cited]) for citing, cited in chosen]


def needs(recipe: Drawn) -> tuple[str, str]:
    """What a landscape without any such pair lacks, and what to do about it."""
    return "citations between its families", "choose a recipe without citation pairs"
