"""The ranked pool: which families may be retrieved, and for which query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from patent_embeddings.core.arrays import Integers
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.ids import known, places

NEVER = 1 << 62  # date of a family that is never retrieved


def pool(families: pd.DataFrame, relations: pd.DataFrame, asked: pd.DataFrame, splits: dict[str, str]) -> pd.DataFrame:
    """Rows of `POOL`, all ranked but the queries of `ASKED`, and families that the source gives only as queries."""
    only_queries = set(relations["query_id"]) - set(relations["family_id"])
    before = families["priority"].where(families["priority"] != "", families["date"])
    ranked = ~families["family_id"].isin(only_queries)
    rows = families[["family_id", "date"]].assign(before=before, ranked=ranked)
    more = pd.DataFrame({"family_id": asked["query_id"], "date": "", "before": asked["date"], "ranked": False})
    rows = pd.concat([rows, more], ignore_index=True) if len(more) else rows
    return rows.assign(split=rows["family_id"].map(splits).astype("str"))


def require_dates(asked: pd.DataFrame, landscape: str) -> None:
    """Raise UserError if a query of `ASKED` has no date, so that no family is known to be earlier."""
    undated = asked.loc[asked["date"] == "", "query_id"].tolist()
    if undated:
        said = f"{len(undated):,} of the {len(asked):,} queries of landscape {landscape!r} that are no families"
        mend = "give them a column `date`, or set tasks.pool to all"
        raise UserError(f"tasks.pool is earlier, and {said} have no date, such as {undated[0]!r}; {mend}")


@dataclass(frozen=True)
class Candidates:
    """Which families may be retrieved for which query: those with `born < before`, except the query's `own`."""

    families: list[str]  # ids of the documents, ascending
    queries: list[str]
    own: Integers  # position of the query's own family among the documents, or -1, [queries]
    born: Integers  # rank of each family's date, [families]
    before: Integers  # rank of each query's date, [queries]


def candidates(families: list[str], queries: list[str], pool: pd.DataFrame, *, earlier: bool) -> Candidates:
    """Candidates of each query: the ranked families except its own; if `earlier`, only those published before it.

    That is strictly before the query's priority date, or its publication date if that is unknown; a family or query
    without a date has no such pair. `families` are ids of documents, ascending. Raises UserError if a document or query
    is not in the pool.
    """
    documents, asked = (known(ids, pool["family_id"], "family {!r}") for ids in (families, queries))
    if earlier:
        dates = pool[["date", "before"]].to_numpy(dtype=object)
        _, places_ = np.unique(dates.ravel(), return_inverse=True)
        date, limit = places_.reshape(dates.shape).T
        born = np.where(dates[:, 0] != "", date, NEVER)
        before = np.where(dates[:, 1] != "", limit, -1)
    else:
        born, before = np.zeros(len(pool), np.int64), np.ones(len(pool), np.int64)
    born = np.where(pool["ranked"].to_numpy(), born, NEVER)
    own = places(queries, families)
    return Candidates(families, queries, own, born[documents], before[asked])


def reachable(qrels: pd.DataFrame, pool: pd.DataFrame, *, earlier: bool) -> npt.NDArray[np.bool_]:
    """Whether the family of each row of `QRELS` may be retrieved for its query."""
    if not earlier:
        return np.ones(len(qrels), dtype=bool)
    families, queries = (sorted(set(qrels[name])) for name in ("family_id", "query_id"))
    open_ = candidates(families, queries, pool, earlier=earlier)
    family, query = places(qrels["family_id"], families), places(qrels["query_id"], queries)
    return np.asarray(open_.born[family] < open_.before[query])


def out_of_reach(qrels: pd.DataFrame, open_: npt.NDArray[np.bool_], queries: pd.DataFrame) -> str:
    """How many relevant pairs and queries can never be retrieved, by the mask of `reachable`; "" if all can."""
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
        f"{pairs[0]} relevant pairs ({pairs[1]} of the test queries) can never be found, as the family was not "
        f"published before the query, and count as not found; {asked[0]} queries ({asked[1]} test queries) have no "
        "other and are left out of the scores"
    )


def limits(qrels: pd.DataFrame, open_: npt.NDArray[np.bool_], queries: pd.DataFrame, pool: pd.DataFrame) -> list[str]:
    """What there is to say of a pool of what was earlier: `out_of_reach`, dates and priorities that lack."""
    found = [out_of_reach(qrels, open_, queries)]
    undated, unlimited = (pool.loc[pool[name] == "", "family_id"] for name in ("date", "before"))
    lacking = (qrels["family_id"].isin(undated) | qrels["query_id"].isin(unlimited))[qrels["relevance"] > 0].sum()
    if lacking:
        found.append(f"in {lacking:,} of the pairs that can never be found the family or the query has no date")
    dated = pool[pool["family_id"].isin(queries["query_id"]) & (pool["date"] != "")]
    if unknown := (dated["before"] == dated["date"]).sum():  # a query without priority has its publication date there
        what = "what was published before their publication is ranked, not before their priority"
        found.append(f"{unknown:,} of {len(dated):,} queries with a date have no priority date: {what}")
    return [said for said in found if said]
