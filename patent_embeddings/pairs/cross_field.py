"""Cross-field pairs: citation pairs whose two families share no IPC class, so that OUT is trained on as it is measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from patent_embeddings.corpus.codes import prefixes, scope
from patent_embeddings.pairs import citation
from patent_embeddings.pairs.material import Material, Pair

if TYPE_CHECKING:
    import numpy as np

    from patent_embeddings.pairs.entries import Recipe


def draw(material: Material, recipe: Recipe, split: str, count: int, rng: np.random.Generator) -> list[Pair]:
    """Up to `count` distinct citation pairs of `split` that are out of domain, as judgements have it; see `citation`."""

    families = material.families
    classes = {family: prefixes(codes, 3) for family, codes in zip(families["family_id"], families["ipc"], strict=True)}
    cited = zip(material.citations["citing_id"], material.citations["cited_id"], strict=True)
    out = np.array([scope(classes[citing], classes[family]) == "out" for citing, family in cited], dtype=bool)  # fmt: skip
    pairs = citation.draw(replace(material, citations=material.citations[out]), recipe, split, count, rng)
    return [replace(pair, signal="cross-field") for pair in pairs]
