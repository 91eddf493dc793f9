"""TODO."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from patent_embeddings.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float32]
    Integers = npt.NDArray[np.int64]
    # (places of queries [n], k) -> scores and rows of the k best for each, [n, at most k]
    Search = Callable[[Integers, int], tuple[Floats, Integers]]
_NEVER = 1 << 62  # date of a family that is not to be retrieved


@dataclass(frozen=True)
class Candidates:
    """Which family may be retrieved for which query.

    Attributes:
        families: ids of the documents, ascending; `rows` are places among them.
        queries: ids of the queries.
        own: place of the query's own family among the documents, -1 where it is none, [queries].
        born: date of each family as a number, [families].
        before: a family is retrieved where `born` is less than this, [queries].
    """

    families: list[str]
    queries: list[str]
    own: Integers
    born: Integers
    before: Integers


def candidates(families: list[str], queries: list[str], pool: pd.DataFrame, *, earlier: bool) -> Candidates:
    """Candidates of each query: the ranked families less its own, and if `earlier` only older ones.

    Args:
        families: ids of the documents, ascending.
        queries: ids of the queries.
        pool: rows of `POOL`.
        earlier: only families dated strictly before the query; without a date on a side, none.

    Raises:
        UserError: a document or query is not in the pool, so the files are of different runs.
    """

    known = pd.Index(pool["family_id"])
    documents, asked = known.get_indexer(pd.Index(families)), known.get_indexer(pd.Index(queries))
    for ids, place in ((families, documents), (queries, asked)):
        if (place < 0).any():
            raise UserError(f"family {ids[int(np.argmin(place))]!r} is not in the landscape's pool; its files are of different runs, run `dvc repro`")  # fmt: skip
    _, date = np.unique(pool["date"].to_numpy(dtype=object), return_inverse=True)
    dated = pool["date"].to_numpy() != ""
    born = np.where(dated, date, _NEVER) if earlier else np.zeros(len(pool), np.int64)
    before = np.where(dated, date, -1) if earlier else np.ones(len(pool), np.int64)
    born = np.where(pool["ranked"].to_numpy(), born, _NEVER)
    own = pd.Index(families).get_indexer(pd.Index(queries)).astype(np.int64)
    return Candidates(families, queries, own, born[documents], before[asked])


def reachable(qrels: pd.DataFrame, pool: pd.DataFrame, *, earlier: bool) -> npt.NDArray[np.bool_]:
    """Whether the family of each judgement may be retrieved for its query at all, as `candidates` says.

    Args:
        qrels: rows of `QRELS`.
        pool: rows of `POOL`.
        earlier: only families dated strictly before the query may; else all, as what is judged is ranked.
    """

    if not earlier:
        return np.ones(len(qrels), dtype=bool)
    families, queries = (sorted(set(qrels[name])) for name in ("family_id", "query_id"))
    open_ = candidates(families, queries, pool, earlier=earlier)
    family, query = (pd.Index(ids).get_indexer(pd.Index(qrels[name])) for ids, name in ((families, "family_id"), (queries, "query_id")))  # fmt: skip
    return np.asarray(open_.born[family] < open_.before[query])


def out_of_reach(qrels: pd.DataFrame, open_: npt.NDArray[np.bool_], queries: pd.DataFrame) -> str:
    """How many relevant pairs and queries can never be found, in words; "" where all can.

    Args:
        qrels: rows of `QRELS`.
        open_: of each of them, as `reachable` gives it.
        queries: rows of `QUERIES`.
    """
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
        f"{pairs[0]} relevant pairs ({pairs[1]} of the test queries) can never be found, as the family is not dated before the "
        f"query, and count as not found; {asked[0]} queries ({asked[1]} test queries) have no other and are left out of the scores"
    )
