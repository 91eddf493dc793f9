"""Near-duplicate texts: min-hash over character windows, with candidates from bands that are then compared."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

WINDOW = 32  # letters and digits, about six words
SAMPLE = 8  # one window in 8 is used, chosen by its hash: the same ones in every text
BANDS, ROWS = 6, 2  # texts are compared if all hashes of a band agree, as for 98 % of pairs with similarity 0.7
ALIKE = 0.7  # Jaccard similarity of the windows of near duplicates
FEWEST = 8  # windows that a text must have
_BATCH = 1 << 18  # characters hashed at once
_LETTERS = bytes(range(48, 58)) + bytes(range(97, 123)) + bytes(range(128, 256))
_LOWER = bytes(range(256)).lower()
_OTHERS = bytes(sign for sign in range(256) if bytes([sign]).lower() not in {bytes([one]) for one in _LETTERS})
_MIXERS = np.random.default_rng(0).integers(1 << 62, size=BANDS * ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)

Hashes = npt.NDArray[np.uint64]


def near(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of positions (earlier text, text) of near duplicates that are not equal, at most one pair per later text.

    Punctuation, blanks and the case of Latin letters are ignored.
    """
    sets = [one for batch in _batches(texts) for one in _windows(batch)]
    compared = [place for place, one in enumerate(sets) if len(one) >= FEWEST]
    if not compared:
        return []
    every = np.concatenate([sets[place] for place in compared])
    starts = np.cumsum([0, *(len(sets[place]) for place in compared[:-1])])
    lows = [np.minimum.reduceat(_mixed(every * mixer), starts) for mixer in _MIXERS]
    found: dict[int, int] = {}
    for band in range(BANDS):
        groups: dict[tuple[int, ...], int] = {}
        for place, key in zip(compared, zip(*lows[band * ROWS : (band + 1) * ROWS], strict=True), strict=True):
            first = groups.setdefault(key, place)
            if first != place and place not in found and texts[first] != texts[place]:
                both = np.intersect1d(sets[first], sets[place], assume_unique=True).size
                if both >= ALIKE * (len(sets[first]) + len(sets[place]) - both):
                    found[place] = first
    return [(found[place], place) for place in sorted(found)]


def _batches(texts: Iterable[str]) -> Iterator[list[bytes]]:
    """The letters and digits of the texts, in batches that fit a processor's cache."""
    batch: list[bytes] = []
    size = 0
    for text in texts:
        batch.append(text.encode("utf-8", "replace").translate(_LOWER, _OTHERS))
        size += len(batch[-1])
        if size > _BATCH:
            yield batch
            batch, size = [], 0
    yield batch


def _windows(batch: list[bytes]) -> list[Hashes]:
    """Sorted hashes of the sampled windows of each text."""
    letters = np.frombuffer(b"".join(batch), np.uint8)
    ends = np.cumsum([len(one) for one in batch])
    if len(letters) < WINDOW:
        return [np.empty(0, np.uint64)] * len(batch)
    hashes = letters.astype(np.uint64) + np.uint64(1)
    width, factor = 1, 0x9E3779B97F4A7C15
    while width < WINDOW:  # hashes of twice the width from two halves
        hashes = hashes[:-width] * np.uint64(factor) + hashes[width:]
        width, factor = 2 * width, factor * factor % (1 << 64)
    hashes = _mixed(hashes)
    at = np.flatnonzero(hashes % np.uint64(SAMPLE) == 0)
    of = np.searchsorted(ends, at, side="right")
    whole = at + WINDOW <= ends[of]  # within one text
    at, of = at[whole], of[whole]
    bounds = np.searchsorted(of, np.arange(len(batch) + 1))
    return [np.unique(hashes[at[low:high]]) for low, high in itertools.pairwise(bounds)]


def _mixed(values: Hashes) -> Hashes:
    """Spread over all bits, as in splitmix64."""
    values = (values ^ (values >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray((values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
