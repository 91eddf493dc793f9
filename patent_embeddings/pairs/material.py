"""The data that training pairs are drawn from, and the families that a pair may touch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd


@dataclass(frozen=True)
class Material:
    """Data of one landscape for drawing pairs; dictionaries are keyed by family id."""

    families: pd.DataFrame  # rows of `FAMILIES`
    citations: pd.DataFrame  # rows of `CITATIONS`
    labels: dict[str, list[str]]  # of the recipe's label set
    texts: dict[str, str]  # of the document view; a family whose text is "" is in no pair of such texts
    splits: dict[str, str]
    queries: frozenset[str]  # of all landscapes that the cell is evaluated on

    def allowed(self, split: str) -> set[str]:
        """Families that a pair of `split` may touch: no test query, and in training no family of the dev split."""
        held = {family for family in self.queries if self.splits.get(family) == "test"}
        if split == "train":
            held |= {family for family, name in self.splits.items() if name == "dev"}
        return set(self.splits) - held

    @cached_property
    def linked(self) -> dict[str, set[str]]:
        """Family id -> families that it cites or is cited by."""
        neighbours: dict[str, set[str]] = {}
        for citing, cited in zip(self.citations["citing_id"], self.citations["cited_id"], strict=True):
            neighbours.setdefault(citing, set()).add(cited)
            neighbours.setdefault(cited, set()).add(citing)
        return neighbours


def joined(materials: list[Material]) -> Material:
    """Merge the materials of landscapes; a family of two of them has the citations and labels of both."""
    if len(materials) == 1:
        return materials[0]
    labels: dict[str, list[str]] = {}
    for material in materials:
        for family, own in material.labels.items():
            labels[family] = list(dict.fromkeys([*labels.get(family, []), *own]))
    return Material(
        families=pd.concat([material.families for material in materials]).drop_duplicates("family_id"),
        citations=pd.concat([material.citations for material in materials]).drop_duplicates(),
        labels=labels,
        texts={family: text for material in materials for family, text in material.texts.items()},
        splits={family: split for material in materials for family, split in material.splits.items()},
        queries=frozenset().union(*(material.queries for material in materials)),
    )


@dataclass(frozen=True)
class Pair:
    """Two texts whose vectors training pulls together; only a label pair has a `label`, the shared one."""

    signal: str
    anchor_id: str
    positive_id: str
    anchor: str
    positive: str
    label: str = ""
