"""Near-duplicate texts: min-hash over character windows, with candidates from bands that are then compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

WINDOW = 32  # letters and digits, about six words
SAMPLE = 8  # one window in 8 is used, chosen by its hash: the same ones in every text
BANDS, ROWS = 6, 2  # texts are compared if all hashes of a band agree, as for 98 % of pairs with similarity 0.7
ALIKE = 0.7  # Jaccard similarity of the windows of near duplicates
FEWEST = 8  # windows that a text must have
_SIGNS = bytes(set(range(128)) - set(b"0123456789abcdefghijklmnopqrstuvwxyz"))
_MIXERS = np.random.default_rng(0).integers(1 << 62, size=BANDS * ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)

Hashes = npt.NDArray[np.uint64]


def near(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of positions (earlier text, text) of near duplicates that are not equal, at most one pair per later text.

    Punctuation, blanks and the case of Latin letters are ignored.
    """
    sets = list(map(_windows, texts))
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


def _windows(text: str) -> Hashes:
    """Sorted hashes of the sampled windows of a text, over its letters and digits."""
    letters = np.frombuffer(text.encode("utf-8", "replace").lower().translate(None, _SIGNS), np.uint8)
    hashes = letters.astype(np.uint64) + np.uint64(1)
    width, factor = 1, 0x9E3779B97F4A7C15
    while width < WINDOW:  # hashes of twice the width from two halves
        hashes = hashes[:-width] * np.uint64(factor) + hashes[width:]
        width, factor = 2 * width, factor * factor % (1 << 64)
    hashes = _mixed(hashes)
    return np.unique(hashes[hashes % np.uint64(SAMPLE) == 0])


def _mixed(values: Hashes) -> Hashes:
    """Spread over all bits, as in splitmix64."""
    values = (values ^ (values >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray((values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
