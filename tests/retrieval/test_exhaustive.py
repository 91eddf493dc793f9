"""Every posting scored: Lucene's searcher to the last bit, and its lengths by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from patent_embeddings.core.arrays import Floats, Integers
from patent_embeddings.core.threads import threads
from patent_embeddings.retrieval import bm25, indexes, lucene, ranking
from patent_embeddings.retrieval.bm25 import Exhaustive, counted

# Made-up words that neither the stemmer nor the stop list touches, and some that Lucene cuts up.
WORDS = np.array(
    [f"t{i}x" for i in range(300)] + ["größe", "5g", "a:b", "1.5", "5\u202f000", "1,000", "\U0001f600", "\U00020bb7"]
)


@pytest.fixture(autouse=True)
def _scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def searched(
    documents: Sequence[str], queries: Sequence[str], k: int, *, k1: float, b: float, query_side: bool = False
) -> tuple[tuple[Floats, Integers], tuple[Floats, Integers]]:
    """What Lucene's searcher finds, and what is found by scoring every posting."""
    with indexes.index(documents, k1=k1, b=b, query_side=query_side, label="test") as index:
        truth = index.search(queries, k)
    counts = counted(lucene.analysed([*documents, *queries], "test"))
    with threads() as pool:
        found = Exhaustive(counts[: len(documents)], k1=k1, b=b, query_side=query_side).search(
            counts[len(documents) :], k, pool
        )
    return truth, ranking.best(*found, k)


def texts(number: int, longest: int, seed: int) -> list[str]:
    """Texts of words of which a few come often: some are in most texts, most in few."""
    rng = np.random.default_rng(seed)
    last = len(WORDS) - 1
    return [" ".join(WORDS[np.minimum(rng.geometric(0.02, rng.integers(1, longest)), last)]) for _ in range(number)]


@pytest.mark.pipeline
@pytest.mark.parametrize("query_side", [False, True])
@pytest.mark.parametrize(("k1", "b"), [(0.9, 0.4), (1.2, 0.75), (2.0, 0.0), (1.2, 1.0), (0.0, 0.4)])
def test_scores_are_lucenes_to_the_last_bit(k1: float, b: float, query_side: bool) -> None:
    # Lengths over every step of their rounding up to 400 words, a term frequency beyond a byte, texts that tie.
    documents = texts(300, 400, 0)
    documents += [
        "",
        "t3x " * 300 + "t9x t200x",
        *(" ".join(WORDS[:length]) for length in range(20, 60)),
        *documents[:9],
    ]
    asked = [*documents, "t5x", "nowhere t7x", "nowhere", "the of", "(t1x^2 OR \U0001f600) 1.5 a:b", "t9x " * 300]
    (scores, rows), (found, places) = searched(documents, asked, 400, k1=k1, b=b, query_side=query_side)
    assert np.array_equal(found, scores)
    for one, other, score in zip(rows, places, scores, strict=True):
        assert sorted(zip(score, one, strict=True)) == sorted(zip(score, other, strict=True))
    assert (rows >= 0).sum() > 20_000


@pytest.mark.pipeline
@pytest.mark.parametrize("dense", [1 << 30, 3000 * 5 * 10, 0])
def test_the_best_of_many_are_lucenes(monkeypatch: pytest.MonkeyPatch, dense: int) -> None:
    monkeypatch.setattr(bm25, "_DENSE", dense)  # many, ten or no terms in the product
    monkeypatch.setattr(bm25, "_HELD", 9_000)  # three queries at a time
    documents = texts(3000, 60, 1)
    (scores, _), (found, places) = searched(documents, documents[:200], 20, k1=0.9, b=0.4)
    assert np.array_equal(found, scores)
    assert all(len(set(row)) == 20 for row in places.tolist())


@pytest.mark.pipeline
def test_without_documents() -> None:
    _, (scores, rows) = searched(["", " "], ["word", ""], 2, k1=0.9, b=0.4)
    assert np.isneginf(scores).all() and (rows == -1).all()


@pytest.mark.parametrize("raised", [0.0, 1e4, -1e4, 10.0])
@pytest.mark.parametrize("hits", [2000, 1000, 999, 30, 0])
def test_what_may_be_among_the_best_is_found_whatever_the_sample_says(raised: float, hits: int) -> None:
    scores = np.zeros(2000, np.float32)
    scores[:hits] = np.random.default_rng(2).permutation(hits) + 20_000
    scores[: hits : bm25._SAMPLE] += np.float32(raised)
    places = bm25._near(scores, 100, 1.5)
    least = max(np.sort(scores)[-100] - 3, 1)  # in steps of 1: three places beyond the hundredth
    assert places.tolist() == [place for place, score in enumerate(scores.tolist()) if score >= least]


def test_lengths_keep_four_bits_beyond_24() -> None:
    # As Lucene's SmallFloat has them: 24 and eight more exactly, then in steps of 2, 4, 8.
    given = np.array([0, 1, 23, 24, 39, 40, 41, 42, 55, 56, 59, 60, 87, 88, 1000])
    assert bm25.rounded(given).tolist() == [0, 1, 23, 24, 39, 40, 40, 42, 54, 56, 56, 60, 84, 88, 984]


def test_terms_are_counted_over_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bm25, "_TEXTS", 2)
    counts = counted([["b", "a", "b"], [], ["c"], ["a", "c", "c", "c"]])
    assert counts.toarray().tolist() == [[2, 1, 0], [0, 0, 0], [0, 0, 1], [0, 1, 3]]
    assert counted([]).shape == (0, 0)
