"""Queries as their table has them."""

from __future__ import annotations

import pandas as pd


def table(queries: pd.DataFrame) -> pd.DataFrame:
    """Rows of `QUERIES` of queries and their splits, all of them families."""
    return queries.assign(text="", ipc=[[] for _ in range(len(queries))], date="")
