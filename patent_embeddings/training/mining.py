"""Mine hard negatives: for each training pair the allowed documents that are nearest to its anchor.

The result is that of the library's `mine_hard_negatives` with `relative_margin`. The library takes forbidden texts only
as further positives, which changes the margin; it drops pairs with too few negatives, ignores the prompts of an entry,
and prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from patent_embeddings.core import distributed, layout
from patent_embeddings.core.entries import HardNegatives
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say, track
from patent_embeddings.encoders.base import Encoder
from patent_embeddings.encoders.precision import require_numbers
from patent_embeddings.encoders.values import Side

_TEXTS = 1024  # encoded at once
_ROWS = 256  # anchors compared with all documents at once


def mined(pairs: pd.DataFrame, documents: pd.DataFrame, encoder: Encoder, how: HardNegatives) -> pd.DataFrame:
    """Add hard negatives to training pairs, by the model before fine-tuning.

    A negative is of the pair's landscape, is not forbidden by `Kinship`, and its similarity is below the positive's by
    the margin (NV-Retriever, Moreira et al., 2024). Ties are broken by family id. Pairs with fewer negatives than
    `how.each` are reported.

    `pairs` are rows of `PAIRS`, `documents` rows of `DOCUMENTS`. Returns the pairs with three more columns of lists,
    which are empty for dev pairs: `negative_ids` and `negatives`, `how.each` of them, nearest first, "" where there are
    fewer; and `barred`, numbers (position x each + number) of the hard negatives of the batch that this pair must not
    have. Raises UserError: no pair has any.
    """
    kinship = Kinship(documents)
    train = pairs[pairs["split"] == "train"]
    distinct = train.drop_duplicates(["landscape", "anchor_id", "positive_id"])
    vectors = _unit(encoder, kinship.texts, "document")
    anchors = _unit(encoder, distinct["anchor"].tolist(), "query")
    positives = _unit(encoder, distinct["positive"].tolist(), "document")
    found: dict[tuple[str, ...], np.ndarray] = {}
    shut = 0  # pairs for which all texts are forbidden
    for start in range(0, len(distinct), _ROWS):
        rows = slice(start, start + _ROWS)
        near = (anchors[rows] * positives[rows]).sum(axis=1)
        scores = anchors[rows] @ vectors.T
        limits = near - how.margin * np.abs(near)
        for score, limit, pair in zip(scores, limits, distinct[rows].itertuples(), strict=True):
            allowed = kinship.of[pair.landscape] & ~kinship.forbidden(pair)
            shut += not allowed.any()
            best = _highest(score, np.flatnonzero(allowed & (score <= limit)), how.each)
            found[_key(pair)] = np.pad(best, (0, how.each - len(best)), constant_values=-1)
    _tell(np.stack(list(found.values())), shut)
    return _with_negatives(pairs, kinship, found, how.each)


def _highest(scores: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    """The `count` places with the highest scores, or all of fewer, in falling order; ties in order of place."""
    if len(places) > count:
        places = places[scores[places] >= np.partition(scores[places], -count)[-count]]
    return places[np.argsort(-scores[places], kind="stable")[:count]]


def _tell(found: np.ndarray, shut: int) -> None:
    """Report how many pairs have fewer negatives than asked for.

    `found` are codes of negatives [pairs, each], -1 where there is none; `shut` is the number of pairs for which all
    texts are forbidden. Raises UserError: no pair has any.
    """
    pairs, each = found.shape
    counts = (found >= 0).sum(axis=1)
    none, few = (counts == 0).sum(), (counts < each).sum()
    if none == pairs:
        why = f"{shut} share a family, citation or label with every text, for {pairs - shut} the others are too near"
        mend = f"set another label_set, a lower margin, or leave hard_negatives out, in {layout.registry('recipes')}"
        raise UserError(f"none of the {pairs} training pairs of the recipe has a hard negative: {why}; {mend}")
    if few and not distributed.rank():
        why = "other texts share a family, citation or label with them, or are nearer than the margin"
        say(f"hard negatives: {few} of {pairs} training pairs have fewer than the {each} asked for, {none} none; {why}")


class Kinship:
    """Which texts must not be negatives of a pair; documents with the same text are one text."""

    def __init__(self, documents: pd.DataFrame) -> None:
        held = documents[documents["text"] != ""].sort_values("family_id")
        codes, texts = pd.factorize(held["text"])
        self.texts: list[str] = texts.tolist()
        self.families: list[str] = held["family_id"].groupby(codes).first().tolist()
        self.of = {name: self._mask(codes[held["landscape"] == name]) for name in documents["landscape"].unique()}
        # A family of two landscapes may have another text in each.
        self._codes = pd.Series(codes).groupby(held["family_id"].to_numpy()).unique().to_dict()
        self._text = {text: code for code, text in enumerate(self.texts)}
        self._kin = dict(zip(documents["family_id"], documents["kin"], strict=True))
        self._labels = dict(zip(documents["family_id"], documents["labels"], strict=True))
        carried = pd.Series(held["labels"].to_numpy(), index=codes).explode().dropna()
        self._carriers = {label: codes.index.to_numpy() for label, codes in carried.groupby(carried)}

    def forbidden(self, pair: Any) -> np.ndarray:
        """Texts that must not be negatives of a pair, bool [texts].

        They are the texts of the families of the pair, of the families that cite or are cited by one of these, and of
        those that share a label with one of these.
        """
        sides = (pair.anchor_id, pair.positive_id)
        kin = {*sides, *(other for side in sides for other in self._kin[side])}
        mask = self._mask([code for family in kin for code in self._codes.get(family, ())])
        mask[[self._text[text] for text in (pair.anchor, pair.positive) if text in self._text]] = True
        for label in {label for side in sides for label in self._labels[side]}:
            mask[self._carriers.get(label, [])] = True
        return mask

    def _mask(self, codes: Sequence[int] | np.ndarray) -> np.ndarray:
        mask = np.zeros(len(self.texts), bool)
        mask[np.asarray(codes, int)] = True
        return mask


def _with_negatives(
    pairs: pd.DataFrame, kinship: Kinship, found: dict[tuple[str, ...], np.ndarray], each: int
) -> pd.DataFrame:
    """Add the columns of `mined`; `found` has the codes of the negatives of each pair, -1 where there is none."""
    ids, texts, barred = ({row: list[Any]() for row in pairs.index} for _ in range(3))
    for _, batch in pairs[pairs["split"] == "train"].sort_values("position").groupby("step"):
        codes = np.concatenate([found[_key(pair)] for pair in batch.itertuples()])
        for pair, own in zip(batch.itertuples(), codes.reshape(-1, each), strict=True):
            ids[pair.Index] = [kinship.families[code] if code >= 0 else "" for code in own]
            texts[pair.Index] = [kinship.texts[code] if code >= 0 else "" for code in own]
            barred[pair.Index] = np.flatnonzero((codes < 0) | kinship.forbidden(pair)[codes]).tolist()
    columns = {"negative_ids": ids, "negatives": texts, "barred": barred}
    return pairs.assign(**{name: pd.Series(values, dtype=object) for name, values in columns.items()})


def _key(pair: Any) -> tuple[str, ...]:
    return (pair.landscape, pair.anchor_id, pair.positive_id)


def _unit(encoder: Encoder, texts: list[str], side: Side) -> np.ndarray:
    """Vectors of unit length, float32 [texts, dimension]. Raises UserError where one is NaN or infinite."""
    blocks = range(0, len(texts), _TEXTS)
    label = "mine hard negatives"
    parts = [
        encoder.encode(texts[start : start + _TEXTS], side) for start in track(blocks, len(texts), label, weight=_TEXTS)
    ]
    vectors = np.concatenate(parts)
    require_numbers(encoder, texts, vectors, setting="`memory.weights` of its entry")
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-12)
