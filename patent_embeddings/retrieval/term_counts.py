"""How often each text has each term, as a sparse matrix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain, islice

import numpy as np
from scipy import sparse

_BATCH = 1000  # texts held as words at once
_BITS = 32


def counted(texts: Iterable[Sequence[str]]) -> sparse.csr_array:
    """How often each text has each term, int32 [texts, terms]; terms are numbered as they first occur."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    left = iter(texts)
    terms, counts, held = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)], [np.zeros(1, np.int64)]
    while batch := list(islice(left, _BATCH)):
        lengths = np.fromiter(map(len, batch), np.int64, len(batch))
        found = np.fromiter(map(numbers.__getitem__, chain.from_iterable(batch)), np.int64, lengths.sum())
        # Text and term as one number, which numpy sorts fastest.
        pairs, often = np.unique(np.repeat(np.arange(len(batch)), lengths) << _BITS | found, return_counts=True)
        terms.append(pairs.astype(np.int32))
        counts.append(often.astype(np.int32))
        held.append(np.bincount(pairs >> _BITS, minlength=len(batch)))
    pointers = np.cumsum(np.concatenate(held))
    shape = (len(pointers) - 1, len(numbers))
    return sparse.csr_array((np.concatenate(counts), np.concatenate(terms), pointers), shape=shape)
