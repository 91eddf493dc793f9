"""The wording of each field of a simulated landscape."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from patent_embeddings.core.arrays import Integers
from patent_embeddings.corpus.sources.simulated.words import CATALOGUE, COMMON_FACETS, CONCEPTS, FIELDS, MECHANISMS
from patent_embeddings.corpus.values import Simulated

_SLIP = 0.45  # how often another phrase replaces the field's usual one
_COMMON_SEED = 0  # seed of the wording that all landscapes share
_CONCEPT = re.compile(r"<(\w+)>")
_CONCEPT_ROW = {name: row for row, name in enumerate(CONCEPTS)}


@dataclass(frozen=True)
class Wording:
    """Which phrase each field uses for each item of one kind, int64 [items, fields]."""

    source: Integers  # the item whose phrases are used: another one of its block if words change their meaning
    pick: Integers  # the phrase among those of the source


def wording(items: int, phrases: int, block: int, entry: Simulated, stream: int) -> Wording:
    """Draw the wording of one kind of item.

    A share `cross_field_overlap` of the items has the same words in all fields, the rest a phrase drawn for the field.
    A share `wording_overlap` is drawn alike for every landscape; the rest is the landscape's own, and there the phrases
    of a block change their meaning: each stands for another item of the block.

    Args:
        items: number of items, a multiple of `block`.
        phrases: number of phrases of an item; the first is the neutral one.
        block: number of items that may swap their phrases (1: none).
        entry: the landscape.
        stream: number of the kind, which makes draws independent.
    """
    blocks, fields = items // block, len(FIELDS)
    common = np.random.default_rng((_COMMON_SEED, stream))
    own = np.random.default_rng((entry.seed, stream, 1))

    neutral = common.random((items, 1)) < entry.cross_field_overlap
    alike, each = common.random((items, 1)), common.random((items, fields))
    shared = np.where(neutral, alike, each) < entry.wording_overlap
    everywhere = common.integers(1, phrases, (items, fields))
    here = own.integers(1, phrases, (items, fields))
    pick = np.where(neutral, 0, np.where(shared, everywhere, here))
    one, many = (np.repeat(own.integers(1, max(block, 2), (blocks, n)), block, axis=0) for n in (1, fields))
    turn = np.where(neutral, one, many)
    item = np.arange(items)[:, None]
    source = np.where(shared, item, item // block * block + (item + turn) % block)
    return Wording(source, pick)


@dataclass(frozen=True)
class Lexicon:
    """The wording of a landscape, by kind: `core`, `act`, `aim`, `facet`, `common`, `concept`."""

    entry: Simulated
    _resolved: dict[tuple[int, str], str] = field(default_factory=dict, repr=False)

    @cached_property
    def kinds(self) -> dict[str, Wording]:
        """Wording of each kind of item."""
        mechanisms, group = len(MECHANISMS), len(CATALOGUE[0].mechanisms)
        facet, common = len(CATALOGUE[0].facets[0]), len(COMMON_FACETS[0])
        sizes = {
            "core": (mechanisms, 6, group),
            "act": (mechanisms, 4, group),
            "aim": (mechanisms, 3, group),
            "facet": (len(CATALOGUE) * len(CATALOGUE[0].facets) * facet, 3, facet),
            "common": (len(COMMON_FACETS) * common, 3, common),
            "concept": (len(CONCEPTS), 6, 1),
        }
        return {kind: wording(*size, self.entry, stream) for stream, (kind, size) in enumerate(sizes.items())}

    def of_mechanism(self, kind: str, mechanism: int, place: int, rng: random.Random) -> str:
        """Phrase for the `core`, `act` or `aim` of a mechanism in field `place`."""
        known = self.kinds[kind]
        _, source = MECHANISMS[known.source[mechanism, place]]
        phrases = {"core": source.cores, "act": source.acts, "aim": source.aims}[kind]
        return self._said(phrases, int(known.pick[mechanism, place]), place, rng)

    def of_detail(self, group: int, facet: int, option: int, place: int, rng: random.Random) -> str:
        """Phrase for an option of a facet (the group's facets first, then the common ones)."""
        own = CATALOGUE[group].facets
        if facet < len(own):
            known, first, facets, part = self.kinds["facet"], group * len(own), own, facet
        else:
            known, first, facets, part = self.kinds["common"], 0, COMMON_FACETS, facet - len(own)
        size = len(facets[part])
        row = (first + part) * size + option
        phrases = facets[part][int(known.source[row, place]) % size]
        return self._said(phrases, int(known.pick[row, place]), place, rng)

    def _said(self, phrases: tuple[str, ...], pick: int, place: int, rng: random.Random) -> str:
        if rng.random() < _SLIP:
            pick = rng.randrange(len(phrases))
        return self.in_words_of(place, phrases[pick])

    def in_words_of(self, place: int, phrase: str) -> str:
        """The phrase with its concepts in the wording of field `place`."""
        key = (place, phrase)
        if key not in self._resolved:
            self._resolved[key] = _CONCEPT.sub(lambda found: self._concept(found[1], place), phrase)
        return self._resolved[key]

    def _concept(self, name: str, place: int) -> str:
        return CONCEPTS[name][int(self.kinds["concept"].pick[_CONCEPT_ROW[name], place])]
