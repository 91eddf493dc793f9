"""Runs and judgements as TREC has them: a run file for each system, and qrels of the test queries for each scope."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import write_text
from patent_embeddings.corpus.pool import reachable
from patent_embeddings.corpus.schemas import POOL, QRELS, QUERIES
from patent_embeddings.evaluation.systems import ORACLES, RETRIEVAL
from patent_embeddings.retrieval.schemas import RUN

_SCOPES = ("all", "in", "out", "in-paired", "out-paired")


def write(folder: Path, landscape: str, *, earlier: bool, judged: bool = False) -> None:
    """Write the files of a landscape; a run that is not there or has no rows is left out.

    With `earlier` only what was published before a query is ranked for it. Where the user `judged`, what was judged and
    is not relevant in a scope is there too, as 0. Raises UserError where an id holds white space, or a table is absent
    or damaged.
    """
    queries = tables.read(layout.task(landscape, "queries"), QUERIES)
    qrels = tables.read(layout.task(landscape, "qrels"), QRELS)
    pool = tables.read(layout.task(landscape, "pool"), POOL)
    reach = reachable(qrels, pool, earlier=earlier)
    tests = qrels["query_id"].isin(queries.loc[queries["split"] == "test", "query_id"])
    for name in (*(f"{system}.run" for system in (*RETRIEVAL, *ORACLES)), *(f"qrels.{scope}.txt" for scope in _SCOPES)):
        if (folder / name).is_file():  # of another cell, which may have had what this one lacks
            (folder / name).unlink()
    for scope, rows in scopes(qrels.assign(reachable=reach)[tests]).items():
        kept = [rows, irrelevant(qrels, rows)] if judged else [rows]
        write_text(folder / f"qrels.{scope}.txt", qrels_text(pd.concat(kept)))
    for system in RETRIEVAL:
        path = layout.run(landscape, system)
        if path.exists() and len(found := tables.read(path, RUN)):
            write_text(folder / f"{system}.run", run_text(found, system))


def scopes(qrels: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Relevant pairs of the queries that are scored, by the scopes of reports/scores.csv; an empty one is left out.

    Takes rows of `QRELS` and whether the pair is `reachable`: a query without such a pair has no score.
    """
    relevant = qrels[qrels["relevance"] > 0]
    parts = {"all": relevant, **{scope: relevant[relevant["scope"] == scope] for scope in ("in", "out")}}
    for scope, rows in parts.items():
        parts[scope] = rows[rows["query_id"].isin(rows.loc[rows["reachable"], "query_id"])]
    both = set(parts["in"]["query_id"]) & set(parts["out"]["query_id"])
    parts |= {f"{scope}-paired": parts[scope][parts[scope]["query_id"].isin(list(both))] for scope in ("in", "out")}
    return {scope: rows for scope, rows in parts.items() if len(rows)}


def irrelevant(qrels: pd.DataFrame, relevant: pd.DataFrame) -> pd.DataFrame:
    """What else was judged for the queries of relevant pairs, with relevance 0: both are rows of `QRELS`."""
    return qrels[qrels["query_id"].isin(relevant["query_id"])].drop(relevant.index).assign(relevance=0)


def run_text(found: pd.DataFrame, tag: str) -> str:
    """Rows of `RUN` as TREC has them; scores are falling integers: the rank decides with us, ties with others.

    Raises UserError where an id holds white space, which TREC's format cannot carry.
    """
    depth = int(found["rank"].max()) if len(found) else 0
    lines = found.assign(q0="Q0", falling=depth + 1 - found["rank"], tag=tag)
    return _lines(lines[["query_id", "q0", "family_id", "rank", "falling", "tag"]])


def qrels_text(rows: pd.DataFrame) -> str:
    """Judgements as TREC has them. Raises UserError as `run_text` does."""
    return _lines(rows.assign(iteration=0)[["query_id", "iteration", "family_id", "relevance"]])


def _lines(rows: pd.DataFrame) -> str:
    for column in ("query_id", "family_id"):
        bad = rows.loc[rows[column].str.contains(r"\s", regex=True), column]
        if len(bad):
            why = "TREC files cannot carry ids with white space; export a landscape without them"
            raise UserError(f"{column} {bad.iloc[0]!r:.60}: {why}")
    # Not as CSV, which would quote an id with a quotation mark.
    return "".join(" ".join(map(str, row)) + "\n" for row in rows.itertuples(index=False))
