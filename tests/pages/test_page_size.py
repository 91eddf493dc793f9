"""The page of a cell that asked 20,000 queries: its size, and whether it shows what it says."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cells import SYSTEMS, write_cell

from patent_embeddings.core import layout, params, tables
from patent_embeddings.corpus.families import frame
from patent_embeddings.corpus.schemas import FAMILIES, LABELS, POOL, QRELS, QUERIES, VIEW
from patent_embeddings.evaluation.schemas import OUTCOMES
from patent_embeddings.grid import keys
from patent_embeddings.pages.cell import report
from patent_embeddings.pages.cell.page import page
from patent_embeddings.pages.cell.queries import failures
from patent_embeddings.retrieval.schemas import RUN

L = "sim-alpha"
COUNT = 20_000
FOUND = 6  # hits of a query, of which the third is relevant


def planted() -> pd.DataFrame:
    """Outcomes [queries, systems]: dense furthest behind on query 17 and furthest ahead on query 4711."""
    drawn = np.random.default_rng(1).random((COUNT, len(SYSTEMS))) * 0.5 + 0.2
    table = pd.DataFrame(drawn, columns=list(SYSTEMS), index=[f"f{at:05}" for at in range(COUNT)])
    table.loc["f00017", ["bm25", "dense"]] = 1.0, 0.0
    table.loc["f04711", ["bm25", "dense"]] = 0.0, 1.0
    return table


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    monkeypatch.chdir(tmp_path)
    write_cell(tmp_path, landscapes=(L,))
    outcomes = planted()
    ids = list(outcomes.index)
    # Words as rare as chemistry's names: texts that hardly compress.
    letters = np.random.default_rng(2).choice(np.frombuffer(b"abcdefghijklmnopqrstuvwxyz    ", "S1"), (COUNT, 600))
    texts = [row.tobytes().decode() for row in letters]
    held = frame([{"family_id": one, "title": f"Title {one}", "ipc": ["F16K1/00"]} for one in ids])
    tables.write(tables.typed(held, FAMILIES), layout.families(L), FAMILIES)
    tables.write(pd.DataFrame({"family_id": ids, "text": texts, "complete": True}), layout.view(L, "tac"), VIEW)
    rows = pd.DataFrame({"query_id": ids, "split": "test", "text": "", "ipc": [[]] * COUNT, "date": ""})
    tables.write(rows, layout.task(L, "queries"), QUERIES)
    pool = pd.DataFrame({"family_id": ids, "date": "", "before": "", "split": "test", "ranked": True})
    tables.write(pool, layout.task(L, "pool"), POOL)
    tables.write(tables.empty(LABELS), layout.task(L, "labels"), LABELS)
    place = np.arange(COUNT)
    relevant = np.array(ids)[(place + 3) % COUNT]
    qrels = pd.DataFrame({"query_id": ids, "family_id": relevant, "relevance": 1, "scope": "in"})
    tables.write(qrels, layout.task(L, "qrels"), QRELS)
    rank = np.tile(np.arange(1, FOUND + 1), COUNT)
    hits = np.array(ids)[(place.repeat(FOUND) + rank) % COUNT]
    run = pd.DataFrame({"query_id": np.repeat(ids, FOUND), "family_id": hits, "rank": rank})
    run["score"] = (-rank).astype(np.float32)
    long = outcomes.rename_axis("query_id").reset_index().melt("query_id", var_name="system")
    long = pd.concat([long.assign(scope=scope) for scope in ("all", "in", "out", "in-paired", "out-paired")])
    long = long.assign(task="retrieval", metric="nDCG@10", split="test")
    tables.write(long, layout.outcomes(L), OUTCOMES)
    for system in SYSTEMS:
        tables.write(run, layout.run(L, system), RUN)
    keys.write(params.load())
    return outcomes


@pytest.mark.pipeline
def test_the_page_of_20000_queries_is_below_5_mb_and_shows_what_it_says(asked: pd.DataFrame) -> None:
    cell = report.gather(keys.report(params.load()))
    made = page(cell, failures(cell))
    assert len(made.encode()) < 5_000_000
    found = re.search(r'<script type="application/octet-stream" id="failures">([^<]*)<', made)
    assert found is not None
    shown = json.loads(gzip.decompress(base64.b64decode(found[1])))
    queries = {query["id"]: query for query in shown["queries"]}
    assert 1000 < len(queries) == len(shown["queries"]) <= 2000
    assert shown["sampled"].startswith(f"A sample: {len(queries):,} of the 20,000 test queries, in turn one by")
    assert layout.outcomes(L).as_posix() in shown["sampled"] and layout.outcomes(L).exists()
    # The extremes are there; of each end a quarter of the sample, but for those that the hash had taken.
    change = (asked["dense"] - asked["bm25"]).sort_values()
    assert {"f00017", "f04711"} <= queries.keys()
    quarter = len(queries) // 4
    assert set(change.index[:quarter]) | set(change.index[-quarter:]) <= queries.keys()
    # The other half is a fair draw: its mean is that of all queries.
    drawn = change.drop([*change.index[: quarter + 60], *change.index[-quarter - 60 :]])
    fair = [query for query in queries if query in drawn.index]
    assert len(fair) > len(queries) / 3 and abs(drawn[fair].mean() - drawn.mean()) < 0.03
    # What is said of a query is its own, and the tables are of all.
    assert queries["f00017"]["outcome"] == {name: round(asked.loc["f00017", name], 4) for name in SYSTEMS}
    (relevant,) = queries["f00017"]["relevant"]
    assert shown["families"][relevant["family"]]["id"] == "f00020" and relevant["ranks"]["dense"] == 3
    assert "20,000" in made
