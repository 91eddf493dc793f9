"""What may be ranked, in which order: against a brute force over every pair."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patent_embeddings.core import arrays
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus import pool as pool_
from patent_embeddings.retrieval import ranking


def ids(n: int) -> list[str]:
    return [f"f{i:03d}" for i in range(n)]


def pool(
    n: int, dates: list[str] | None = None, ranked: list[bool] | None = None, before: list[str] | None = None
) -> pd.DataFrame:
    dated = {"date": dates or [""] * n, "before": before or dates or [""] * n}
    return pd.DataFrame({"family_id": ids(n), **dated, "split": ["train"] * n, "ranked": ranked or [True] * n})


def top(table: np.ndarray) -> arrays.Search:
    """A search that knows a table of scores; among the k best it has an order of its own: the last first."""

    def search(part: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.argsort(-table[part], axis=1, kind="stable")[:, :k][:, ::-1]
        return np.take_along_axis(table[part], rows, axis=1), rows

    return search


@settings(deadline=None, max_examples=60)
@given(data=st.data(), depth=st.integers(1, 60), earlier=st.booleans())
def test_the_best_of_what_may_be_ranked_and_ties_by_family_id(data: st.DataObject, depth: int, earlier: bool) -> None:
    size = data.draw(st.integers(1, 50))
    few = st.integers(0, 4)
    scores = np.array(
        data.draw(st.lists(st.lists(few, min_size=size, max_size=size), min_size=1, max_size=size)), np.float32
    )
    dates = [f"20{day:02d}-01-01" if day else "" for day in data.draw(st.lists(few, min_size=size, max_size=size))]
    before = [f"20{day:02d}-01-01" if day else "" for day in data.draw(st.lists(few, min_size=size, max_size=size))]
    ranked = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    names, asked = ids(size), ids(size)[: len(scores)]

    allowed = pool_.candidates(names, asked, pool(size, dates, ranked, before), earlier=earlier)
    found = ranking.frame(names, names, *ranking.retrieve(top(scores), allowed, depth, label="test", block=7))

    for query in range(len(asked)):
        rest = [
            family
            for family in range(size)
            if ranked[family] and family != query and (not earlier or "" < dates[family] < before[query])
        ]
        expected = sorted(rest, key=lambda family: (-scores[query, family], names[family]))[:depth]
        mine = found[found["query_id"] == names[query]]
        assert mine["family_id"].tolist() == [names[family] for family in expected]
        assert mine["rank"].tolist() == list(range(1, len(expected) + 1))
        assert mine["score"].tolist() == [scores[query, family] for family in expected]


def test_queries_that_are_not_documents_have_no_own_family() -> None:
    allowed = pool_.candidates(ids(3)[:2], ["f002"], pool(3), earlier=False)
    _, rows = ranking.retrieve(top(np.array([[1.0, 2.0]], np.float32)), allowed, 5, label="test", block=1)
    assert rows.tolist() == [[1, 0]]


@pytest.mark.parametrize(("documents", "queries"), [([], ["f000"]), (["f000"], []), (["f000"], ["f000"])])
def test_nothing_to_ask_or_to_find(documents: list[str], queries: list[str]) -> None:
    allowed = pool_.candidates(documents, queries, pool(1), earlier=False)
    table = np.zeros((len(queries), len(documents)), np.float32)
    found = ranking.frame(queries, documents, *ranking.retrieve(top(table), allowed, 5, label="test", block=4))
    assert found.empty and list(found.columns) == ["query_id", "family_id", "rank", "score"]


def test_ties_at_the_cut_are_not_searched_again() -> None:
    allowed, asked = pool_.candidates(ids(100), ["f002"], pool(100), earlier=False), []

    def search(part: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        asked.append(k)
        return np.zeros((len(part), k), np.float32), np.arange(k)[None]

    _, rows = ranking.retrieve(search, allowed, 5, label="test", block=1)
    assert rows.tolist() == [[0, 1, 3, 4, 5]]
    assert asked == [21]


def test_files_of_different_runs_are_refused() -> None:
    with pytest.raises(UserError, match=r"'other' is not in the landscape's pool.*dvc repro"):
        pool_.candidates(["f000", "other"], ["f000"], pool(1), earlier=False)
    run = pd.DataFrame({"query_id": ["f000"], "family_id": ["other"], "rank": [1], "score": np.float32([1])})
    with pytest.raises(UserError, match=r"family_id 'other' of a run.*dvc repro"):
        ranking.matrices([run], ids(1), ids(1), 10)


def test_a_run_survives_the_way_through_matrices() -> None:
    scores = np.array([[3, 2, 1], [5, -np.inf, -np.inf], [-np.inf] * 3], np.float32)
    rows = np.array([[2, 0, 1], [0, -1, -1], [-1, -1, -1]])
    run = ranking.frame(ids(3), ids(3), scores, rows).sample(frac=1, random_state=0)
    again = ranking.matrices([run], ids(3), ids(3), 100)
    assert np.array_equal(again[0], scores) and np.array_equal(again[1], rows)
    cut = ranking.matrices([run], ids(3), ids(3), 2)
    assert np.array_equal(cut[0], scores[:, :2]) and np.array_equal(cut[1], rows[:, :2])


def test_what_is_out_of_reach_of_the_earlier_pool_by_hand() -> None:
    # f000 to f003 ask; f001 is dated as its query, f002 after it, f004 has no date, nor has the query f003.
    dates = ["2000-01-01", "2000-01-01", "2001-01-01", "", "", "1999-12-31"]
    asked = [("f000", "f005"), ("f000", "f001"), ("f000", "f002"), ("f001", "f004"), ("f002", "f000"), ("f003", "f005")]
    qrels = pd.DataFrame(asked, columns=["query_id", "family_id"]).assign(relevance=1, scope="in")
    reach = pool_.reachable(qrels, pool(6, dates), earlier=True)
    assert reach.tolist() == [True, False, False, False, True, False]
    queries = pd.DataFrame({"query_id": ids(4), "split": ["test", "test", "dev", "train"]})
    said = pool_.out_of_reach(qrels, reach, queries)
    assert said.startswith("4 of 6 relevant pairs (3 of 4 of the test queries) can never be found")
    assert "2 of 4 queries (1 of 2 test queries) have no other" in said
    dated = pool(6, dates).assign(before=dates, date=dates)
    assert pool_.limits(qrels, reach, queries, dated)[1].startswith("in 2 of the pairs that can never be found")
    assert pool_.reachable(qrels, pool(6, dates), earlier=False).all()
    assert pool_.out_of_reach(qrels, pool_.reachable(qrels, pool(6, dates), earlier=False), queries) == ""
    # Ranked last or not at all, a pair within reach is one that a search over everything can return.
    open_ = pool_.candidates(ids(6), ids(4), pool(6, dates), earlier=True)
    _, rows = ranking.retrieve(top(np.zeros((4, 6), np.float32)), open_, 6, label="x", block=4)
    found = {(f"f00{query}", f"f00{row}") for query, line in enumerate(rows) for row in line if row >= 0}
    assert [pair in found for pair in asked] == reach.tolist()
