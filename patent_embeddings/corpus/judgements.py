"""Queries and relevance judgements of a landscape, with the IN/OUT scope of each judgement."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.codes import classes, scope
from patent_embeddings.corpus.schemas import QUERIES


def domains(families: pd.DataFrame) -> dict[str, list[str]]:
    """The domains of each family: its IPC classes, or its `domains` if any family of the landscape has some."""
    own = families["domains"].str.len().any()
    entries = families["domains"] if own else map(classes, families["ipc"])
    return {family: list(each) for family, each in zip(families["family_id"], entries, strict=True)}


def judgements(citations: pd.DataFrame, families: pd.DataFrame, relevance: str) -> pd.DataFrame:
    """Rows of `QRELS` from rows of `CITATIONS`, with the scope from the `domains` of both families.

    The families that a query cites are relevant; if `relevance` is `linked`, those that cite it are too.
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
    """Rows of `QRELS` from the user's own judgements, rows of `RELATIONS`, with their scope as in `judgements`.

    A query of `ASKED` has the classes of its codes, or no domain if the landscape has `domains` of its own.
    """
    own = families["domains"].str.len().any()
    of = {name: [] if own else classes(codes) for name, codes in zip(asked["query_id"], asked["ipc"], strict=True)}
    of |= domains(families)
    pairs = zip(relations["query_id"], relations["family_id"], strict=True)
    return relations.assign(scope=pd.Series([scope(of[query], of[family]) for query, family in pairs], dtype="str"))


def require_grade(judged: pd.DataFrame, threshold: int, landscape: str) -> None:
    """Raise UserError where no judgement, rows of `QRELS`, has the least grade that R, AP and RR count as relevant."""
    highest = int(judged["relevance"].max()) if len(judged) else 0
    if 0 < highest < threshold:
        why = f"the highest grade of its judgements is {highest}, so that R@100, AP and RR would be 0"
        where = f"{layout.registry('landscapes')}: threshold {threshold} of landscape {landscape!r}"
        raise UserError(f"{where}: {why}; set it to {highest} or less")


def queries(judged: pd.DataFrame, splits: dict[str, str], asked: pd.DataFrame) -> pd.DataFrame:
    """Rows of `QUERIES`: the queries with a relevant family, with their split and the fields of `ASKED`."""
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
