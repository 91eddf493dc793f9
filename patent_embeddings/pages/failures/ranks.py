"""Best wrong hits of queries in a run, and the ranks of given families."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from patent_embeddings.core.arrays import Integers
from patent_embeddings.core.ids import Ids, places

PAIR = ["query_id", "family_id"]
WRONG = 3  # wrong hits of a query, at most


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
