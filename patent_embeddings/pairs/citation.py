"""Citation pairs: a family with a family that it cites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patent_embeddings.pairs.material import Material, Pair

if TYPE_CHECKING:
    import numpy as np

    from patent_embeddings.pairs.entries import Recipe


def draw(material: Material, recipe: Recipe, split: str, count: int, rng: np.random.Generator) -> list[Pair]:
    """Up to `count` distinct citation pairs of `split`, in random order; dev pairs cite from the dev split."""
    allowed = material.allowed(split)
    texts = material.texts
    edges = sorted(
        (citing, cited)
        for citing, cited in zip(material.citations["citing_id"], material.citations["cited_id"], strict=True)
        if texts[citing]
        and texts[cited]
        and citing in allowed
        and cited in allowed
        and (split != "dev" or material.splits[citing] == "dev")
    )
    chosen = rng.permutation(len(edges))[:count]
    return [
        Pair("citation", citing, cited, texts[citing], texts[cited]) for citing, cited in (edges[i] for i in chosen)
    ]
