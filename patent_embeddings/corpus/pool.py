"""The ranked pool: which families may be found, for which query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from patent_embeddings.core.arrays import Integers
from patent_embeddings.core.ids import known, places

NEVER = 1 << 62  # date of a family that is not to be retrieved


def pool(families: pd.DataFrame, relations: pd.DataFrame, splits: dict[str, str]) -> pd.DataFrame:
    """Rows of `POOL`: every family is ranked, less those that the source gives as queries only."""
    only_queries = set(relations["query_id"]) - set(relations["family_id"])
    return families[["family_id", "date"]].assign(
        split=families["family_id"].map(splits).astype("str"), ranked=~families["family_id"].isin(only_queries)
    )


@dataclass(frozen=True)
class Candidates:
    """Which family may be retrieved for which query: whose `born` is less than `before`, but for the query's `own`."""

    families: list[str]  # ids of the documents, ascending
    queries: list[str]
    own: Integers  # place of the query's own family among the documents, -1 where it is none, [queries]
    born: Integers  # date of each family as a number, [families]
    before: Integers  # [queries]


def candidates(families: list[str], queries: list[str], pool: pd.DataFrame, *, earlier: bool) -> Candidates:
    """Candidates of each query: the ranked families less its own; if `earlier`, only those dated strictly before it.

    `families` are ids of documents, ascending. Without a date on a side there is no earlier one. Raises UserError where
    a document or query is not in the pool, so that the files are of different runs.
    """
    documents, asked = (known(ids, pool["family_id"], "family {!r}") for ids in (families, queries))
    _, date = np.unique(pool["date"].to_numpy(dtype=object), return_inverse=True)
    dated = pool["date"].to_numpy() != ""
    born = np.where(dated, date, NEVER) if earlier else np.zeros(len(pool), np.int64)
    before = np.where(dated, date, -1) if earlier else np.ones(len(pool), np.int64)
    born = np.where(pool["ranked"].to_numpy(), born, NEVER)
    own = places(queries, families)
    return Candidates(families, queries, own, born[documents], before[asked])


def reachable(qrels: pd.DataFrame, pool: pd.DataFrame, *, earlier: bool) -> npt.NDArray[np.bool_]:
    """Whether the family of each of `QRELS` may be retrieved for its query at all: what is judged is ranked."""
    if not earlier:
        return np.ones(len(qrels), dtype=bool)
    families, queries = (sorted(set(qrels[name])) for name in ("family_id", "query_id"))
    open_ = candidates(families, queries, pool, earlier=earlier)
    family, query = places(qrels["family_id"], families), places(qrels["query_id"], queries)
    return np.asarray(open_.born[family] < open_.before[query])


def out_of_reach(qrels: pd.DataFrame, open_: npt.NDArray[np.bool_], queries: pd.DataFrame) -> str:
    """How many relevant pairs and queries can never be found, as `reachable` says of each; "" where all can."""
    relevant = (qrels["relevance"] > 0).to_numpy()
    if open_[relevant].all():
        return ""
    tests = qrels["query_id"].isin(queries.loc[queries["split"] == "test", "query_id"]).to_numpy()
    pairs, asked = [], []
    for part in (relevant, relevant & tests):
        pairs.append(f"{int((part & ~open_).sum()):,} of {int(part.sum()):,}")
        every, found = (qrels.loc[rows, "query_id"].nunique() for rows in (part, part & open_))
        asked.append(f"{every - found:,} of {every:,}")
    return (
        f"{pairs[0]} relevant pairs ({pairs[1]} of the test queries) can never be found, as the family is not dated "
        f"before the query, and count as not found; {asked[0]} queries ({asked[1]} test queries) have no other and are "
        "left out of the scores"
    )
