"""Who is relevant to whom, and who asks: queries and relevance judgements, IN and OUT of the query's domain."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from patent_embeddings.core import tables
from patent_embeddings.corpus.codes import classes, scope
from patent_embeddings.corpus.schemas import QUERIES


def domains(families: pd.DataFrame) -> dict[str, list[str]]:
    """By family what says whether two are of one domain: its IPC classes, or `domains` where any family has such."""
    own = families["domains"].str.len().any()
    entries = families["domains"] if own else map(classes, families["ipc"])
    return {family: list(each) for family, each in zip(families["family_id"], entries, strict=True)}


def judgements(citations: pd.DataFrame, families: pd.DataFrame, relevance: str) -> pd.DataFrame:
    """Rows of `QRELS` from those of `CITATIONS`; the scope is `codes.scope` of what `domains` says of both families.

    Relevant to a query is what it cites where `relevance` is `cited`, also what cites it where it is `linked`.
    """
    pairs = citations[["citing_id", "cited_id"]].set_axis(["query_id", "family_id"], axis=1)
    if relevance == "linked":
        back = pairs.rename(columns={"query_id": "family_id", "family_id": "query_id"})
        pairs = pd.concat([pairs, back[["query_id", "family_id"]]], ignore_index=True)
    pairs = pairs.drop_duplicates().sort_values(["query_id", "family_id"], ignore_index=True)
    of = domains(families)
    scopes = [scope(of[query], of[family]) for query, family in zip(pairs["query_id"], pairs["family_id"], strict=True)]
    return pairs.assign(relevance=1, scope=pd.Series(scopes, dtype="str"))


def scoped(relations: pd.DataFrame, families: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    """Rows of `QRELS` of judgements of the user's own, those of `RELATIONS`: their scope, as in `judgements`.

    A query of `ASKED` has the classes of the codes that it came with; domains of a landscape's own are no codes.
    """
    own = families["domains"].str.len().any()
    of = {name: [] if own else classes(codes) for name, codes in zip(asked["query_id"], asked["ipc"], strict=True)}
    of |= domains(families)
    pairs = zip(relations["query_id"], relations["family_id"], strict=True)
    return relations.assign(scope=pd.Series([scope(of[query], of[family]) for query, family in pairs], dtype="str"))


def queries(judged: pd.DataFrame, splits: dict[str, str], asked: pd.DataFrame) -> pd.DataFrame:
    """Rows of `QUERIES`: who has a relevant family, and their splits; what those of `ASKED` say themselves."""
    names = sorted(judged.loc[judged["relevance"] > 0, "query_id"].unique())
    said = asked.set_index("query_id").reindex(names)
    frame = pd.DataFrame(
        {
            "query_id": names,
            "split": [splits[name] for name in names],
            "text": said["text"].fillna("").to_numpy(),
            "ipc": [list(codes) if isinstance(codes, Iterable) else [] for codes in said["ipc"]],
            "date": said["date"].fillna("").to_numpy(),
        }
    )
    return tables.typed(frame, QUERIES)
