"""The documents that hard negatives are mined from, with the families and labels they are related to."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.progress import say
from patent_embeddings.pairs.material import Material, joined
from patent_embeddings.pairs.schemas import DOCUMENTS


def documents(materials: Mapping[str, Material], pairs: pd.DataFrame, label_set: str) -> pd.DataFrame:
    """Rows of `DOCUMENTS`, from the materials of landscapes by id.

    A document is a family of the train split with a text. A training pair can also touch a family of the test split
    that is no query: it has a row without text, which only says what it is related to. `kin` are the families that cite
    it or are cited by it. Labels are of the recipe's `label_set`; a landscape without any is reported. `pairs` are rows
    of `PAIRS` of these landscapes.
    """
    whole = joined(list(materials.values()))
    rows = []
    for landscape, material in materials.items():
        if not any(material.labels.values()):
            what = f"no label of the set {label_set!r}, so that labels bar no hard negative"
            say(f"landscape {landscape!r}: {what}; change label_set of the recipe in {layout.registry('recipes')}")
        allowed = material.allowed("train")
        texts = {
            family: material.texts[family]
            for family, split in material.splits.items()
            if split == "train" and family in allowed and material.texts.get(family)
        }
        own = pairs[(pairs["landscape"] == landscape) & (pairs["split"] == "train")]
        for family in {*texts, *own["anchor_id"], *own["positive_id"]}:
            kin = sorted(whole.linked.get(family, ()))
            rows.append((landscape, family, texts.get(family, ""), kin, sorted(whole.labels.get(family, ()))))
    return pd.DataFrame(rows, columns=list(DOCUMENTS.columns))
