"""The BM25 stage on a landscape small enough to score by hand."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import queried
from started import resolve, start
from workspaces import ROOT

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.schemas import POOL, QUERIES, VIEW
from patent_embeddings.retrieval.schemas import RUN

L = "toy"
SIZE = 40
# Ids of any characters but white space and slash, and an order that is not that of their numbers.
IDS = [f"{'Zaé#'[i % 4]}:{(i * 7) % SIZE:02d}'\"" for i in range(SIZE)]
WORDS = [f"t{i}x" for i in range(30)]  # no stemmer or stop list touches them


@pytest.fixture
def documents() -> list[str]:
    """Texts of under 40 words, of which Lucene keeps the length exactly; two are equal, two have no word."""
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice(WORDS, rng.integers(3, 30))) for _ in range(SIZE)]
    texts[11] = texts[23]
    texts[4], texts[9] = "", " "
    return texts


@pytest.fixture
def landscape(workspace: Path, documents: list[str]) -> str:
    """Views and task tables: every third family asks with its first words, the last five are not in the pool."""
    order = sorted(range(SIZE), key=lambda i: IDS[i])
    view = pd.DataFrame({"family_id": IDS, "text": documents, "complete": True})
    tables.write(view, layout.view(L, "tac"), VIEW)
    tables.write(view.assign(text=[asked(text) for text in documents]), layout.view(L, "ta"), VIEW)
    dates = [("", "2001-05-05", "2003-01-01", "2002-01-01")[i % 4] for i in range(SIZE)]
    ranked = [i < SIZE - 5 for i in range(SIZE)]
    pool = pd.DataFrame({"family_id": IDS, "date": dates, "before": dates, "split": "train", "ranked": ranked})
    tables.write(pool, layout.task(L, "pool"), POOL)
    queries = pd.DataFrame({"query_id": [IDS[i] for i in order if i % 3 == 0], "split": "test"})
    tables.write(queried.table(queries), layout.task(L, "queries"), QUERIES)
    return L


def asked(text: str) -> str:
    return " ".join(text.split()[:6])


def expected(
    documents: list[str], *, k1: float, b: float, depth: int, earlier: bool = False
) -> dict[str, dict[str, float]]:
    """Lucene's BM25 over the pool, by its formula."""
    dates = [("", "2001-05-05", "2003-01-01", "2002-01-01")[i % 4] for i in range(SIZE)]
    counts = {i: Counter(documents[i].split()) for i in range(SIZE - 5) if documents[i].strip()}
    mean = sum(sum(count.values()) for count in counts.values()) / len(counts)
    runs = {}
    for query in range(0, SIZE, 3):
        scores: dict[str, float] = {}
        for term in asked(documents[query]).split():
            holders = [i for i in counts if term in counts[i]]
            idf = math.log(1 + (len(counts) - len(holders) + 0.5) / (len(holders) + 0.5))
            for i in holders:
                if i != query and (not earlier or "" < dates[i] < dates[query]):
                    tf, length = counts[i][term], sum(counts[i].values())
                    scores[IDS[i]] = scores.get(IDS[i], 0.0) + idf * tf / (tf + k1 * (1 - b + b * length / mean))
        order = sorted(scores, key=lambda family: (-np.float32(round(scores[family], 6)), family))[:depth]
        runs[IDS[query]] = {family: scores[family] for family in order}
    return runs


def ranked() -> dict[str, dict[str, float]]:
    run = tables.read(layout.run(L, "bm25"), RUN)
    found = {query: dict(zip(part["family_id"], part["score"], strict=True)) for query, part in run.groupby("query_id")}
    return {IDS[i]: found.get(IDS[i], {}) for i in range(0, SIZE, 3)}


@pytest.mark.pipeline
@pytest.mark.parametrize("pool", ["all", "earlier"])
@pytest.mark.parametrize("depth", [1000, 4])
def test_the_stage_is_bm25_by_hand(
    landscape: str, documents: list[str], set_params: Callable[..., None], depth: int, pool: str
) -> None:
    set_params(query_view="ta", tasks__pool=pool, bm25={"k1": 1.2, "b": 0.75, "depth": depth})
    start("bm25", landscape)
    truth = expected(documents, k1=1.2, b=0.75, depth=depth, earlier=pool == "earlier")
    assert any(truth.values())
    for query, scores in ranked().items():
        assert list(scores) == list(truth[query])
        assert list(scores.values()) == pytest.approx(list(truth[query].values()), rel=1e-5)


@pytest.mark.pipeline
def test_the_document_view_is_what_is_indexed(
    landscape: str, documents: list[str], set_params: Callable[..., None]
) -> None:
    set_params(query_view="ta", document_view="ta", bm25={"k1": 0.9, "b": 0.4, "depth": 1000})
    start("bm25", landscape)
    truth = expected([asked(text) for text in documents], k1=0.9, b=0.4, depth=1000)
    assert {query: set(scores) for query, scores in ranked().items()} == {
        query: set(scores) for query, scores in truth.items()
    }


@pytest.mark.pipeline
def test_twice_the_same_bytes(landscape: str) -> None:
    start("bm25", landscape)
    first = layout.run(L, "bm25").read_bytes()
    start("bm25", landscape)
    assert layout.run(L, "bm25").read_bytes() == first


@pytest.mark.pipeline
def test_a_landscape_without_queries_gives_an_empty_run(landscape: str) -> None:
    tables.write(tables.read(layout.task(L, "queries"), QUERIES)[:0], layout.task(L, "queries"), QUERIES)
    start("bm25", landscape)
    assert tables.read(layout.run(L, "bm25"), RUN).empty


def test_a_family_without_a_row_in_the_view(landscape: str) -> None:
    view = tables.read(layout.view(L, "tac"), VIEW)
    tables.write(view[view["family_id"] != IDS[8]], layout.view(L, "tac"), VIEW)
    with pytest.raises(UserError, match=r"data/views/toy/tac\.parquet: family .* is not there; run `dvc repro`"):
        start("bm25", landscape)


@pytest.mark.parametrize("fault", ["JAVA_HOME", "landscape"])
def test_faults_end_in_one_line_and_write_nothing(landscape: str, tmp_path: Path, fault: str) -> None:
    home = str(tmp_path / "no-java") if fault == "JAVA_HOME" else ""
    name = L if fault == "JAVA_HOME" else "nowhere"
    resolve("bm25", L)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "stages.bm25", name],
        capture_output=True,
        text=True,
        env={"JAVA_HOME": home, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
    )
    said = f"JAVA_HOME: no Java at {home}" if home else "data/values/nowhere/bm25.json: no such file"
    assert done.returncode == 2 and done.stderr.startswith(f"error: {said}") and done.stderr.count("\n") == 1
    assert not layout.run(name, "bm25").exists() and not layout.cost("bm25", name).exists()
