"""Who is relevant to whom, and who asks: queries and relevance judgements, IN and OUT of the query's domain."""

from __future__ import annotations

import pandas as pd

from patent_embeddings.core import tables
from patent_embeddings.corpus.codes import classes, scope
from patent_embeddings.corpus.schemas import QUERIES


def judgements(citations: pd.DataFrame, families: pd.DataFrame, relevance: str) -> pd.DataFrame:
    """Rows of `QRELS` from those of `CITATIONS`, with the scope of the two families' IPC classes (see `codes.scope`).

    Relevant to a query is what it cites where `relevance` is `cited`, also what cites it where it is `linked`.
    """
    pairs = citations.set_axis(["query_id", "family_id"], axis=1)
    if relevance == "linked":
        back = pairs.rename(columns={"query_id": "family_id", "family_id": "query_id"})
        pairs = pd.concat([pairs, back[["query_id", "family_id"]]], ignore_index=True)
    pairs = pairs.drop_duplicates().sort_values(["query_id", "family_id"], ignore_index=True)
    of = {family: classes(codes) for family, codes in zip(families["family_id"], families["ipc"], strict=True)}
    scopes = [scope(of[query], of[family]) for query, family in zip(pairs["query_id"], pairs["family_id"], strict=True)]
    return pairs.assign(relevance=1, scope=pd.Series(scopes, dtype="str"))


def queries(judged: pd.DataFrame, splits: dict[str, str]) -> pd.DataFrame:
    """Rows of `QUERIES`: the families with a relevant one, and their splits."""
    names = sorted(judged.loc[judged["relevance"] > 0, "query_id"].unique())
    return tables.typed(pd.DataFrame({"query_id": names, "split": [splits[name] for name in names]}), QUERIES)
