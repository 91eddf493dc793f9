"""The test queries of a landscape: their outcomes and properties."""

from __future__ import annotations

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.corpus.schemas import POOL, QRELS, QUERIES
from patent_embeddings.evaluation.schemas import OUTCOMES
from patent_embeddings.evaluation.systems import RETRIEVAL
from patent_embeddings.pages.failures.data import METRIC
from patent_embeddings.pages.failures.source import Source
from patent_embeddings.pages.failures.texts import words

SCOPES = {"all": "all", "in": "IN", "out": "OUT"}  # scopes of wins and losses, and their names in tables
_DAYS = 365.25  # of a year


def outcomes(source: Source, landscape: str) -> pd.DataFrame:
    """Rows of `tested` of a landscape. Raises UserError as `Source.read`."""
    return tested(source.read(layout.outcomes(landscape), OUTCOMES, list(OUTCOMES.columns), ("metric", [METRIC])))


def tested(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `OUTCOMES` of `METRIC` on test queries, without oracles."""
    asked = (rows["task"] == "retrieval") & (rows["metric"] == METRIC) & (rows["split"] == "test")
    return rows.loc[asked & rows["system"].isin(RETRIEVAL), ["system", "scope", "query_id", "value"]]


def wide(rows: pd.DataFrame, scope: str = "all") -> pd.DataFrame:
    """Rows of `tested` in a scope as a table [query_id, system], both in order."""
    table = rows[rows["scope"] == scope].pivot(index="query_id", columns="system", values="value")
    return table[[name for name in RETRIEVAL if name in table]]


def profile(source: Source, landscape: str, view: str, queries: list[str]) -> pd.DataFrame:
    """Properties of queries: `query_id`, `words` of the text, number of `relevant` families, `years` to these.

    `years` is the median distance, in either direction, between the query's date (its priority, or its publication
    where that is unknown) and its relevant families' publications; NaN without dates. Raises UserError as
    `Source.read`.
    """
    rows = source.read(layout.task(landscape, "queries"), QUERIES, ["query_id", "text"], ("query_id", queries))
    qrels = source.read(layout.task(landscape, "qrels"), QRELS, ["query_id", "family_id", "relevance"],
                        ("query_id", queries))  # fmt: skip
    qrels = qrels[qrels["relevance"] > 0]
    pool = source.read(layout.task(landscape, "pool"), POOL, ["family_id", "date", "before"]).set_index("family_id")
    asked, found = (
        pd.to_datetime(column.map(pool[name]), format="ISO8601", errors="coerce")
        for column, name in ((qrels["query_id"], "before"), (qrels["family_id"], "date"))
    )
    pairs = qrels.assign(years=(asked - found).abs().dt.days / _DAYS).groupby("query_id")["years"]
    counted = words(source, landscape, view, rows)
    return pd.DataFrame(
        {
            "query_id": queries,
            "words": [counted[query] for query in queries],
            "relevant": pairs.size().reindex(queries).to_numpy(),
            "years": pairs.median().reindex(queries).to_numpy(),
        }
    )
