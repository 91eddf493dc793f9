"""Words and codes that a query and a family share."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from patent_embeddings.corpus.codes import prefixes

MOST = 8  # shared words or codes of a pair, at most
_WORD = r"(?u)\b[^\W\d_]\w{2,}\b"  # three letters, so that neither numerals of drawings nor units are words
_NONE = np.array([], dtype=np.int64)
_LEVELS = (4, 3)  # letters of a subclass, of a class


class Words:
    """Content words of some texts: all but scikit-learn's English stop words, in lower case."""

    def __init__(self, texts: Iterable[str]) -> None:
        counter = CountVectorizer(binary=True, stop_words="english", token_pattern=_WORD, dtype=np.int8)
        try:
            table = counter.fit_transform(texts)
        except ValueError:  # no text has a word
            self._names, self._of = np.array([], dtype=object), {}
            return
        names = counter.get_feature_names_out()
        # Numbered from the rarest: of equally rare ones the first by letter, as the names come sorted.
        rarest = np.argsort(np.bincount(table.indices, minlength=len(names)), kind="stable")
        number = np.empty(len(names), np.int64)
        number[rarest] = np.arange(len(names))
        self._names = names[rarest]
        self._of = {at: np.sort(number[row]) for at, row in enumerate(np.split(table.indices, table.indptr[1:-1]))}

    def shared(self, one: int, other: int) -> list[str]:
        """Words that two texts share, given by their places: the rarest over all texts first, at most `MOST`."""
        both = np.intersect1d(self._of.get(one, _NONE), self._of.get(other, _NONE), assume_unique=True)
        return [str(name) for name in self._names[both[:MOST]]]


def shared_codes(one: Collection[str], other: Collection[str]) -> list[str]:
    """Codes that both have, then shared subclasses and classes that contain none of these; at most `MOST`."""
    both = sorted(set(one) & set(other))
    for length in _LEVELS:
        alike = set(prefixes(one, length)) & set(prefixes(other, length))
        both += sorted(code for code in alike if not any(finer.startswith(code) for finer in both))
    return both[:MOST]
