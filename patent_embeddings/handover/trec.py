"""Runs and judgements as TREC has them: a run file for each system, and qrels of the test queries for each scope."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import write_text
from patent_embeddings.corpus.pool import reachable
from patent_embeddings.corpus.schemas import POOL, QRELS, QUERIES
from patent_embeddings.evaluation.retrieval import SCOPES
from patent_embeddings.evaluation.systems import ORACLES, RETRIEVAL
from patent_embeddings.handover.exported_cell import Subject
from patent_embeddings.retrieval.schemas import RUN

FILES = (*(f"{system}.run" for system in (*RETRIEVAL, *ORACLES)), *(f"qrels.{scope}.txt" for scope in SCOPES))
MARKS = ("qrels.all.txt",)


def write(folder: Path, landscape: str, subject: Subject) -> str:
    """Write the files of a landscape, and return how to measure by them.

    A run that does not exist or has no rows is left out. Where the judgements are the user's own, those that are not
    relevant in a scope are written with relevance 0. Raises UserError where an id has white space, or a table is absent
    or damaged.
    """
    entry = subject.landscapes[landscape]
    queries = tables.read(layout.task(landscape, "queries"), QUERIES)
    qrels = tables.read(layout.task(landscape, "qrels"), QRELS)
    pool = tables.read(layout.task(landscape, "pool"), POOL)
    reach = reachable(qrels, pool, earlier=subject.params.tasks.pool == "earlier")
    tests = qrels["query_id"].isin(queries.loc[queries["split"] == "test", "query_id"])
    for name in FILES:  # from another cell, which may have had files that this one lacks
        if (folder / name).is_file():
            (folder / name).unlink()
    for scope, rows in scopes(qrels.assign(reachable=reach)[tests]).items():
        kept = [rows, irrelevant(qrels, rows)] if entry.relevance == "judged" else [rows]
        write_text(folder / f"qrels.{scope}.txt", qrels_text(pd.concat(kept)))
    for system in RETRIEVAL:
        path = layout.run(landscape, system)
        if path.exists() and len(found := tables.read(path, RUN)):
            write_text(folder / f"{system}.run", run_text(found, system))
    recall = "R@100" if entry.threshold == 1 else f"'R(rel={entry.threshold})@100'"  # and so AP and RR
    return f"try `ir_measures {folder}/qrels.all.txt {folder}/dense.run nDCG@10 {recall}`"


def scopes(qrels: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Relevant pairs of the scored queries for each scope of reports/scores.csv; empty scopes are left out.

    Takes rows of `QRELS` with a column `reachable`; a query without a reachable relevant family has no score.
    """
    relevant = qrels[qrels["relevance"] > 0]
    parts = {"all": relevant, **{scope: relevant[relevant["scope"] == scope] for scope in ("in", "out")}}
    for scope, rows in parts.items():
        parts[scope] = rows[rows["query_id"].isin(rows.loc[rows["reachable"], "query_id"])]
    both = set(parts["in"]["query_id"]) & set(parts["out"]["query_id"])
    parts |= {f"{scope}-paired": parts[scope][parts[scope]["query_id"].isin(list(both))] for scope in ("in", "out")}
    return {scope: rows for scope, rows in parts.items() if len(rows)}


def irrelevant(qrels: pd.DataFrame, relevant: pd.DataFrame) -> pd.DataFrame:
    """The other judgements of the queries of `relevant`, with relevance 0; both are rows of `QRELS`."""
    return qrels[qrels["query_id"].isin(relevant["query_id"])].drop(relevant.index).assign(relevance=0)


def run_text(found: pd.DataFrame, tag: str) -> str:
    """Rows of `RUN` in TREC's format, with falling integers as scores.

    Our rank is authoritative, while other tools sort by score and break ties in their own way. Raises UserError where
    an id has white space, which the format cannot hold.
    """
    lines = found.assign(q0="Q0", falling=found["rank"].max() + 1 - found["rank"], tag=tag)
    return _lines(lines[["query_id", "q0", "family_id", "rank", "falling", "tag"]])


def qrels_text(rows: pd.DataFrame) -> str:
    """Judgements in TREC's format. Raises UserError as `run_text`."""
    return _lines(rows.assign(iteration=0)[["query_id", "iteration", "family_id", "relevance"]])


def _lines(rows: pd.DataFrame) -> str:
    for column in ("query_id", "family_id"):
        bad = rows.loc[rows[column].str.contains(r"\s", regex=True), column]
        if len(bad):
            why = "TREC files cannot carry ids with white space; export a landscape without them"
            raise UserError(f"{column} {bad.iloc[0]!r:.60}: {why}")
    # Not written as CSV, which would quote an id with a quotation mark.
    return "".join(" ".join(map(str, row)) + "\n" for row in rows.itertuples(index=False))
