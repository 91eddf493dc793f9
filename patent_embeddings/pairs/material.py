"""What training pairs are drawn from, and who may be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Material:
    """A landscape as training sees it.

    Attributes:
        families: rows of `FAMILIES`.
        citations: rows of `CITATIONS`.
        labels: family id -> labels of the recipe's label set.
        texts: family id -> text of the document view, "" where it has none: it then joins no pair of such texts.
        splits: family id -> `train`, `dev` or `test`.
        queries: ids of all queries, of the other landscapes too that the cell is scored on.
    """

    families: pd.DataFrame
    citations: pd.DataFrame
    labels: dict[str, list[str]]
    texts: dict[str, str]
    splits: dict[str, str]
    queries: frozenset[str]

    def allowed(self, split: str) -> set[str]:
        """Families that a pair of `split` (`train` or `dev`) may touch, on either side.

        Training touches no dev family, so that the loss on dev pairs is honest, and no test query.
        Dev pairs touch no test query either.
        """
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
    """Several landscapes as one; a family of two of them has the citations and labels of both."""

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
    """Two texts that training draws together; `label` only for label pairs."""

    signal: str
    anchor_id: str
    positive_id: str
    anchor: str
    positive: str
    label: str = ""
