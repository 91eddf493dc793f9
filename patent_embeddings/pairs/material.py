"""The data that training pairs are drawn from, the families that a pair may touch, and what is no negative of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Pair:
    """Two texts whose vectors training pulls together; only a label pair has a `label`, the shared one."""

    signal: str
    anchor_id: str
    positive_id: str
    anchor: str
    positive: str
    label: str = ""


class Kin:
    """What must not be a negative of what, over all landscapes that a cell trains on.

    Families with a text in common count as one: each cites, is cited by and carries what the others do. A family of two
    landscapes has the citations, labels and texts of both.
    """

    def __init__(self, materials: Iterable[Material]) -> None:
        self._linked, self._labels = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
        self._texts, self._bearers = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
        for material in materials:
            for citing, cited in zip(material.citations["citing_id"], material.citations["cited_id"], strict=True):
                self._linked[citing].add(cited)
                self._linked[cited].add(citing)
            for family, labels in material.labels.items():
                self._labels[family].update(labels)
            for family, text in material.texts.items():
                if text:
                    self._texts[family].add(text)
                    self._bearers[text].add(family)

    def twins(self, families: Iterable[str], texts: Iterable[str] = ()) -> set[str]:
        """The families, and all that have a text of one of them, or one of `texts`."""
        alike = set(texts).union(*(self._texts.get(family, ()) for family in families))
        return set(families).union(*(self._bearers.get(text, ()) for text in alike))

    def linked(self, families: Iterable[str]) -> set[str]:
        """Families that one of the families cites or is cited by."""
        return set().union(*(self._linked.get(family, ()) for family in families))

    def labels(self, families: Iterable[str]) -> set[str]:
        """Labels of the families."""
        return set().union(*(self._labels.get(family, ()) for family in families))

    def signs(self, pair: Pair) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
        """What a pair has, and what a pair must not have to be its negative: texts, families and labels by kind."""
        texts = {("text", text) for text in (pair.anchor, pair.positive)}
        families = self.twins((pair.anchor_id, pair.positive_id), (pair.anchor, pair.positive))
        has = texts | {("family", family) for family in families} | {("label", name) for name in self.labels(families)}
        bars = texts | {("family", family) for family in families | self.linked(families)}
        return has, bars | ({("label", pair.label)} if pair.label else set())
