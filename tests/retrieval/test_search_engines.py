"""Ray as the engine of search: what the local engine finds, to the byte, also when a worker is lost in the middle."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rays

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.params import Search
from patent_embeddings.core.vectors import Vectors
from patent_embeddings.retrieval import exact, nearest, ray_search
from patent_embeddings.retrieval.values import SearchValues

pytestmark = pytest.mark.pipeline
Found = tuple[np.ndarray, np.ndarray]


def test_without_ray_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"search\.engine is ray, which is not installed; run .*or set it to local"):
        ray_search.search(*drawn(), label="ray")(np.arange(3), 5)


def test_passages_are_searched_here() -> None:
    passages = Vectors(Path("documents.npy"), ["F1"], np.ones((2, 4), np.float32), np.zeros(1, np.int64))
    settings = Search(dimensions=None, depth=5)
    values = SearchValues(pool="all", similarity="cosine", window=64, engine="ray", search=settings)
    with pytest.raises(UserError, match=r"params\.yaml: search\.engine is ray, .* set it to local"):
        exact.run("toy", [], pd.DataFrame(), {"documents": passages, "queries": passages}, values)


def drawn() -> Found:
    """Queries and documents, float32; two hundred documents are equal and lie in several shards."""
    rng = np.random.default_rng(3)
    queries, documents = (rng.standard_normal((rows, 31)).astype(np.float32) for rows in (70, 3000))
    documents[rng.choice(3000, 200, replace=False)] = queries[0]
    return queries, documents


def test_shards_give_what_one_search_gives(driver: ProcessPoolExecutor) -> None:
    local, there = driver.submit(found_twice).result()
    for mine, theirs in zip(local, there, strict=True):
        assert [one.tobytes() for one in mine] == [one.tobytes() for one in theirs]


def found_twice() -> list[list[Found]]:
    """All queries at a depth that cuts through equal documents, and some again deeper, by both engines."""
    queries, documents = drawn()
    local, there = nearest.search(queries, documents), ray_search.search(queries, documents, label="ray", shard=700)
    asked = [(np.arange(40), 100), (np.arange(40, 70), 100), (np.array([0, 9, 33]), 400)]
    return [[search(part, k) for part, k in asked] for search in (local, there)]


@pytest.mark.slow
def test_a_killed_worker_changes_nothing(driver: ProcessPoolExecutor) -> None:
    local, there = driver.submit(with_a_worker_killed).result()
    assert [one.tobytes() for one in local] == [one.tobytes() for one in there]


def with_a_worker_killed() -> list[Found]:
    """What both engines find, one of Ray's two workers killed at the first answer."""
    queries, documents = drawn()
    (local,) = [nearest.search(queries, documents)(np.arange(70), 50)]
    scores, rows = np.full((70, 0), np.inf, np.float32), np.full((70, 0), -1, np.int64)
    killed = False
    for part, (score, row) in ray_search._jobs(queries, documents, 50, 100, "ray"):
        assert part == slice(0, ray_search._BLOCK)
        if not killed:
            rays.kill_one_of_two_workers()
            killed = True
        scores, rows = np.concatenate([scores, score], axis=1), np.concatenate([rows, row], axis=1)
    assert rows.shape == (70, 30 * 50)  # each shard once
    order = np.lexsort((rows, -scores), axis=1)[:, :50]
    return [local, (np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1))]


def test_a_worker_that_adds_in_another_order_is_named(
    driver: ProcessPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"search\.engine: a worker of Ray scores otherwise than this machine"):
        driver.submit(by_another_machine).result()


def by_another_machine() -> None:
    """A search whose machine has other last digits than its workers."""
    score = nearest.score
    nearest.score = lambda *pairs: np.nextafter(score(*pairs), np.float32(9))
    try:
        ray_search.search(*drawn(), label="ray")(np.arange(3), 5)
    finally:
        nearest.score = score
