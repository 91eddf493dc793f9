"""Families and citations -> queries, relevance judgements (IN, OUT), label sets, splits and the ranked pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from patent_embeddings.corpus.codes import prefixes, scope

if TYPE_CHECKING:
    import pandas as pd


def judgements(citations: pd.DataFrame, families: pd.DataFrame, relevance: str) -> pd.DataFrame:
    """Relevance judgements from citations.

    Args:
        citations: rows of `CITATIONS`.
        families: at least `family_id` and `ipc`.
        relevance: `cited` (what the query cites) or `linked` (what it cites or is cited by).

    Returns:
        Rows of `QRELS`, relevance 1. `scope` is `in` where the two families share an IPC
        class (first three characters), `out` where they share none, `unknown` where one has no code.
    """

    pairs = citations.set_axis(["query_id", "family_id"], axis=1)
    if relevance == "linked":
        back = pairs.rename(columns={"query_id": "family_id", "family_id": "query_id"})
        pairs = pd.concat([pairs, back[["query_id", "family_id"]]], ignore_index=True)
    pairs = pairs.drop_duplicates().sort_values(["query_id", "family_id"], ignore_index=True)
    classes = {family: prefixes(codes, 3) for family, codes in zip(families["family_id"], families["ipc"], strict=True)}
    scopes = [
        scope(classes[query], classes[family])
        for query, family in zip(pairs["query_id"], pairs["family_id"], strict=True)
    ]
    return pairs.assign(relevance=1, scope=pd.Series(scopes, dtype="str"))


def queries(judged: pd.DataFrame, splits: dict[str, str]) -> pd.DataFrame:
    """Queries, the families with a relevant one, and their splits."""

    names = sorted(judged.loc[judged["relevance"] > 0, "query_id"].unique())
    return pd.DataFrame(
        {"query_id": pd.Series(names, dtype="str"), "split": pd.Series([splits[name] for name in names], dtype="str")}
    )


def pool(families: pd.DataFrame, relations: pd.DataFrame, splits: dict[str, str]) -> pd.DataFrame:
    """Every family with its date, its split, and whether it is ranked: all are, less those that the source gives as queries only."""
    only_queries = set(relations["query_id"]) - set(relations["family_id"])
    return families[["family_id", "date"]].assign(
        split=families["family_id"].map(splits).astype("str"), ranked=~families["family_id"].isin(only_queries)
    )
