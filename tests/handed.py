"""A cell with vectors and a dense run, in the current folder: what exports of vectors and of datasets read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cells import write_cell
from started import resolve, start
from workspaces import change

from patent_embeddings.core import layout, params, tables
from patent_embeddings.core.vectors import QUERY_ROWS, ROWS, TOKEN_ROWS
from patent_embeddings.corpus.pool import reachable
from patent_embeddings.corpus.schemas import FAMILIES, POOL, QRELS, QUERIES, VIEW
from patent_embeddings.evaluation.outcomes import Judged
from patent_embeddings.evaluation.retrieval import per_query
from patent_embeddings.evaluation.schemas import COMPRESSION
from patent_embeddings.evaluation.values import MetricsValues
from patent_embeddings.grid import keys
from patent_embeddings.retrieval import quantised
from patent_embeddings.retrieval.schemas import RUN

L, DIMENSION = "sim-alpha", 20


def write(root: Path, *, passages: bool = False, **changed: Any) -> None:
    """The miniature cell of one landscape, 40 families of which 3 are not ranked, with random vectors."""
    write_cell(root, landscapes=(L,))
    change(root, **changed)
    keys.write(params.load())
    rng = np.random.default_rng(7)
    families, queries = (tables.read(layout.families(L), FAMILIES), tables.read(layout.task(L, "queries"), QUERIES))
    ids, asked = families["family_id"].tolist(), queries["query_id"].tolist()
    pool = tables.read(layout.task(L, "pool"), POOL)
    pool["date"] = [f"20{number % 25:02d}-01-01" for number in range(len(pool))]
    pool["before"], pool["ranked"] = pool["date"], [number not in (0, 12, 39) for number in range(len(pool))]
    tables.write(pool, layout.task(L, "pool"), POOL)
    qrels = tables.read(layout.task(L, "qrels"), QRELS)
    qrels["relevance"] = [1 + number % 3 for number in range(len(qrels))]
    tables.write(qrels, layout.task(L, "qrels"), QRELS)
    shown = [f"EP{number}A1" for number in range(len(families))]
    tables.write(families.assign(publication=shown), layout.families(L), FAMILIES)
    texts = pd.DataFrame({"family_id": ids, "text": [f'"Text",\tof\n{name} é' for name in ids], "complete": True})
    for view in ("ta", "tac"):
        tables.write(texts.assign(text=texts["text"] + view), layout.view(L, view), VIEW)
    counts = rng.integers(1, 4, len(ids)) if passages else np.ones(len(ids), int)
    rows = rng.standard_normal((counts.sum(), DIMENSION)).astype(np.float32) + np.float32(0.5)
    first = np.cumsum(counts) - counts
    layout.embeddings(L).mkdir(parents=True, exist_ok=True)
    for side, vectors in (("documents", rows), ("queries", rows[first[[ids.index(query) for query in asked]]])):
        np.save(layout.vectors(L, side), vectors)
    table = pd.DataFrame({"family_id": ids})
    kind = TOKEN_ROWS if passages else ROWS
    tables.write(table.assign(offset=first) if passages else table, layout.vector_ids(L, "documents"), kind)
    tables.write(pd.DataFrame({"query_id": asked}), layout.vector_ids(L, "queries"), QUERY_ROWS)
    start("search", L)
    measure()


def measure() -> None:
    """Write what the vectors lose in fewer bytes, as the stage `metrics` does."""
    resolve("metrics", L)
    values = params.read("metrics", MetricsValues, L)
    qrels, pool = tables.read(layout.task(L, "qrels"), QRELS), tables.read(layout.task(L, "pool"), POOL)
    reach = reachable(qrels, pool, earlier=values.pool == "earlier")
    queries = tables.read(layout.task(L, "queries"), QUERIES)
    judged = Judged(queries, qrels, reach, pd.DataFrame(), threshold=values.threshold)
    tables.write(quantised.measure(L, judged, pool, values), layout.compression(L), COMPRESSION)


def scored(reachable: Any = None) -> pd.DataFrame:
    """Scores of the dense run on the test queries, by scope and metric."""
    run, qrels = tables.read(layout.run(L, "dense"), RUN), tables.read(layout.task(L, "qrels"), QRELS)
    queries = tables.read(layout.task(L, "queries"), QUERIES)
    found = per_query(run, qrels, queries, ("R@100", "nDCG@10"), reachable)
    return found[found["split"] == "test"].groupby(["scope", "metric"])["value"].agg(["mean", "size"])
