"""What hard negatives are mined from: the documents that training may show, and whose negatives they must not be."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from patent_embeddings.pairs.material import Material, joined
from patent_embeddings.pairs.schemas import DOCUMENTS
from patent_embeddings.pairs.values import Drawn


def documents(materials: Mapping[str, Material], pairs: pd.DataFrame, recipe: Drawn) -> pd.DataFrame:
    """Rows of `DOCUMENTS` of landscapes, by their ids.

    A document is a family of the train split with a text. Families of the training pairs that are none, as they are no
    queries but not of that split, have rows without text, for what they are kin to. Labels count where the recipe draws
    pairs that share them. `pairs`: rows of `PAIRS` of these landscapes.
    """
    whole = joined(list(materials.values()))
    labelled = "label" in recipe.signals
    rows = []
    for landscape, material in materials.items():
        allowed = material.allowed("train")
        texts = {
            family: material.texts[family]
            for family, split in material.splits.items()
            if split == "train" and family in allowed and material.texts.get(family)
        }
        own = pairs[(pairs["landscape"] == landscape) & (pairs["split"] == "train")]
        for family in {*texts, *own["anchor_id"], *own["positive_id"]}:
            kin = sorted(whole.linked.get(family, ()))
            labels = sorted(whole.labels.get(family, ())) if labelled else []
            rows.append((landscape, family, texts.get(family, ""), kin, labels))
    return pd.DataFrame(rows, columns=list(DOCUMENTS.columns))
