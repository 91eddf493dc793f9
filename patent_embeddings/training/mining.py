"""Hard negatives: for each training pair the documents nearest to its anchor that it may have as negatives.

As the library's `mine_hard_negatives` finds them with `relative_margin`. That one takes forbidden texts only as further
positives, a row each, which moves the margin; it drops pairs with too few, knows no tasks of an entry, and prints.
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
from patent_embeddings.encoders.values import Side

_TEXTS = 1024  # encoded at once
_ROWS = 256  # anchors compared with all documents at once


def mined(pairs: pd.DataFrame, documents: pd.DataFrame, encoder: Encoder, how: HardNegatives) -> pd.DataFrame:
    """Training pairs with their negatives, by a model as published.

    A negative is of the pair's landscape, and below its positive by the margin (NV-Retriever, Moreira et al., 2024).
    `Kinship` says which are forbidden; ties are broken by family id. Pairs with fewer than asked for are said.

    Args:
        pairs: rows of `PAIRS`.
        documents: rows of `DOCUMENTS`.

    Returns the pairs with three more columns, lists which are empty for dev pairs: `negative_ids` and `negatives`,
    `how.each` of them, nearest first, "" where there are fewer; and `barred`, places among the negatives of the whole
    batch (position x each + number) of those that this pair must not have. Raises UserError: no pair has any.
    """
    kinship = Kinship(documents)
    train = pairs[pairs["split"] == "train"]
    distinct = train.drop_duplicates(["landscape", "anchor_id", "positive_id"])
    vectors = _unit(encoder, kinship.texts, "document")
    anchors = _unit(encoder, distinct["anchor"].tolist(), "query")
    positives = _unit(encoder, distinct["positive"].tolist(), "document")
    found: dict[tuple[str, ...], np.ndarray] = {}
    shut = 0  # pairs that may have no text, however near
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
    """Those of some places that have the highest scores, the first of equals first; all where they are fewer."""
    if len(places) > count:
        places = places[scores[places] >= np.partition(scores[places], -count)[-count]]
    return places[np.argsort(-scores[places], kind="stable")[:count]]


def _tell(found: np.ndarray, shut: int) -> None:
    """Say how many pairs have fewer negatives than asked for: `found` are codes [pairs, each], -1 where there is none.

    `shut`: pairs that may have no text, however near. Raises UserError: no pair has any.
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
    """Which documents must not be negatives of a pair; documents of one text are one."""

    def __init__(self, documents: pd.DataFrame) -> None:
        held = documents[documents["text"] != ""].sort_values("family_id")
        codes, texts = pd.factorize(held["text"])
        self.texts: list[str] = texts.tolist()
        self.families: list[str] = held["family_id"].groupby(codes).first().tolist()
        self.of = {name: self._mask(codes[held["landscape"] == name]) for name in documents["landscape"].unique()}
        # A family of two landscapes may have a text in each.
        self._codes = pd.Series(codes).groupby(held["family_id"].to_numpy()).unique().to_dict()
        self._text = {text: code for code, text in enumerate(self.texts)}
        self._kin = dict(zip(documents["family_id"], documents["kin"], strict=True))
        self._labels = dict(zip(documents["family_id"], documents["labels"], strict=True))
        carried = pd.Series(held["labels"].to_numpy(), index=codes).explode().dropna()
        self._carriers = {label: codes.index.to_numpy() for label, codes in carried.groupby(carried)}

    def forbidden(self, pair: Any) -> np.ndarray:
        """What must not be a negative of a pair, bool [texts]: it and its kin.

        Families of the pair, those that cite or are cited by one of them, those that carry a label of one of them, and
        any document with the text of one of these.
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
    """See `mined`; `found`: codes of the negatives of a pair, -1 where there is none."""
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
    """Vectors of unit length, float32 [texts, dimension]."""
    blocks = range(0, len(texts), _TEXTS)
    label = "mine hard negatives"
    parts = [
        encoder.encode(texts[start : start + _TEXTS], side) for start in track(blocks, len(texts), label, weight=_TEXTS)
    ]
    vectors = np.concatenate(parts)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-12)
