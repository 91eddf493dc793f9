"""Rules of a run: ranks have no gaps, scores never increase, and each family appears once per query."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def ranks_whole(frame: pd.DataFrame) -> bool:
    """Whether the ranks of each query are 1, 2, 3, ..."""
    rank, same = _by_rank(frame, "rank")
    return bool((rank[:1] == 1).all() and (rank[1:] == rank[:-1] * same + 1).all())


def scores_fall(frame: pd.DataFrame) -> bool:
    """Whether no score of a query is higher than the one ranked before it."""
    score, same = _by_rank(frame, "score")
    return bool((~same | (score[1:] <= score[:-1])).all())


def families_once(frame: pd.DataFrame) -> bool:
    """Whether each family appears once per query."""
    family = _codes(frame["family_id"])
    pairs = np.sort(_codes(frame["query_id"]) * (family.max(initial=0) + 1) + family)
    return bool((pairs[1:] != pairs[:-1]).all())


def ordered(frame: pd.DataFrame) -> bool:
    """Whether rows are sorted by query, which is categorical, and by rank."""
    return _ordered(_codes(frame["query_id"]), frame["rank"].to_numpy())


def _by_rank(frame: pd.DataFrame, column: str) -> tuple[Any, Any]:
    """A column sorted by query and rank, and for each row but the first whether the row before has the same query."""
    query, values = _codes(frame["query_id"]), frame[column].to_numpy()
    if not _ordered(query, frame["rank"].to_numpy()):
        order = np.lexsort((frame["rank"].to_numpy(), query))
        query, values = query[order], values[order]
    return values, query[1:] == query[:-1]


def _ordered(query: Any, rank: Any) -> bool:
    same = query[1:] == query[:-1]
    return bool(((query[1:] > query[:-1]) | (same & (rank[1:] > rank[:-1]))).all())


def _codes(ids: pd.Series) -> Any:
    """An integer for each id: its category's code, else by first appearance."""
    return (ids.cat.codes.to_numpy() if hasattr(ids, "cat") else pd.factorize(ids)[0]).astype(np.int64)
