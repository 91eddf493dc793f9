"""Hits of queries: the best wrong ones of a run, the ranks of given families, and the words and codes they share."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer

from patent_embeddings.core.arrays import Integers
from patent_embeddings.core.ids import Ids, places
from patent_embeddings.corpus.codes import prefixes

PAIR = ["query_id", "family_id"]
WRONG = 3  # wrong hits of a query, at most
MOST = 8  # shared words or codes of a pair, at most
_WORD = r"(?u)\b[^\W\d_]\w{2,}\b"  # three letters, so that neither numerals of drawings nor units are words
_NONE = np.array([], dtype=np.int64)
_LEVELS = (4, 3)  # letters of a subclass, of a class


def wrong(run: pd.DataFrame, relevant: pd.DataFrame) -> pd.DataFrame:
    """`PAIR` of the best hits of each query that are not relevant to it, at most `WRONG`, by query and rank.

    `run` are rows of `RUN`, `relevant` has `PAIR`.
    """
    asked = relevant["query_id"].value_counts()
    # So deep there are `WRONG` wrong hits even if all relevant families rank above them.
    deep = run["query_id"].map(asked).astype("float64").fillna(0) + WRONG
    top = run[(run["rank"] <= deep).to_numpy()]
    queries, families = pd.Index(run["query_id"].unique()), pd.Index(run["family_id"].unique())
    there = keys(top, queries, families)
    right = keys(relevant, queries, families)
    top = top[~pd.Series(there, index=top.index).isin(right[right >= 0])].sort_values(["query_id", "rank"])
    kept = top.groupby("query_id", observed=True, sort=False).head(WRONG)
    return kept[PAIR].astype("str").reset_index(drop=True)


def ranks(run: pd.DataFrame, pairs: pd.DataFrame) -> pd.Series[int]:
    """Rank of each of `pairs` (`PAIR`, each once) in rows of `RUN`: Int64 by their index, <NA> where it has none."""
    queries, families = pd.Index(pairs["query_id"].unique()), pd.Index(pairs["family_id"].unique())
    there = keys(run, queries, families)
    found = pd.Series(run["rank"].to_numpy()[there >= 0], index=there[there >= 0], dtype="Int64")
    return found.reindex(keys(pairs, queries, families)).set_axis(pairs.index)


def keys(pairs: pd.DataFrame, queries: Ids, families: Ids) -> Integers:
    """A number for each of `PAIR`; -1 where its query or its family is not among these."""
    query, family = places(pairs["query_id"], queries), places(pairs["family_id"], families)
    number = query * len(families) + family
    number[(query < 0) | (family < 0)] = -1
    return number


def together(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """`PAIR` of several tables, each once, in order of first appearance."""
    return pd.concat([part[PAIR] for part in parts]).drop_duplicates(ignore_index=True)


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
