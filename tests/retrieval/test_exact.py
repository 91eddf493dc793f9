"""Exact dense search, against brute force in numpy."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import queried
import yaml
from started import resolve, start

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.vectors import QUERY_ROWS, ROWS, TOKEN_QUERY_ROWS, TOKEN_ROWS
from patent_embeddings.corpus.schemas import POOL, QUERIES
from patent_embeddings.retrieval.schemas import RUN

L = "toy"
DIMENSION = 24
Build = Callable[..., pd.DataFrame]


def ids(n: int) -> list[str]:
    return [f"{chr(0x41 + i % 26)}.{i:03d}:é" for i in range(n)]


@pytest.fixture
def vectors() -> np.ndarray:
    """Sixty vectors of very different lengths, three of them equal."""
    rng = np.random.default_rng(5)
    made = (rng.standard_normal((60, DIMENSION)) * rng.uniform(0.1, 10, (60, 1))).astype(np.float32)
    made[[7, 31, 44]] = made[7]
    return made


@pytest.fixture
def build(workspace: Path, set_params: Callable[..., None], vectors: np.ndarray) -> Build:
    """Write a landscape's task tables and vectors (the first twenty families ask), run the stage, read the run."""
    names = ids(len(vectors))

    def make(similarity: str = "cosine", dates: list[str] | None = None, **params: Any) -> pd.DataFrame:
        path = workspace / "registry" / "models.yaml"
        models = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump({**models, "toy": {**models["minilm"], "similarity": similarity}}))
        set_params(model="toy", **params)
        dated = {"date": dates or [""] * len(names), "before": dates or [""] * len(names)}
        pool = pd.DataFrame({"family_id": names, **dated, "split": "train", "ranked": True})
        pool.loc[50:, "ranked"] = False
        tables.write(pool, layout.task(L, "pool"), POOL)
        queries = sorted(names[:20])
        asked = queried.table(pd.DataFrame({"query_id": queries, "split": "test"}))
        tables.write(asked, layout.task(L, "queries"), QUERIES)
        for side, of in (("documents", sorted(names)), ("queries", queries)):
            column = "query_id" if side == "queries" else "family_id"
            kind = QUERY_ROWS if side == "queries" else ROWS
            tables.write(pd.DataFrame({column: of}), layout.vector_ids(L, side), kind)
            np.save(layout.vectors(L, side), vectors[[names.index(name) for name in of]])
        start("search", L)
        return tables.read(layout.run(L, "dense"), RUN)

    return make


def brute(
    vectors: np.ndarray, similarity: str = "cosine", dates: list[str] | None = None, depth: int = 1000
) -> dict[str, list[str]]:
    names = ids(len(vectors))
    exact = vectors.astype(np.float64)
    if similarity == "cosine":
        exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    scores = np.array([[np.dot(query, document) for document in exact] for query in exact]).astype(np.float32)
    return {
        names[query]: sorted(
            (names[d] for d in range(50) if d != query and (dates is None or "" < dates[d] < dates[query])),
            key=lambda name: (-scores[query, names.index(name)], name),
        )[:depth]
        for query in range(20)
    }


def ranked(run: pd.DataFrame) -> dict[str, list[str]]:
    found = {name: part.sort_values("rank")["family_id"].tolist() for name, part in run.groupby("query_id")}
    return {name: found.get(name, []) for name in ids(60)[:20]}


def test_cosine_of_vectors_of_any_length(build: Build, vectors: np.ndarray) -> None:
    run = build()
    assert ranked(run) == brute(vectors)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    names = ids(60)
    expected = [
        unit[names.index(q)] @ unit[names.index(d)] for q, d in zip(run["query_id"], run["family_id"], strict=True)
    ]
    assert np.abs(run["score"] - expected).max() < 1e-6


def test_dot_keeps_the_lengths(build: Build, vectors: np.ndarray) -> None:
    assert brute(vectors, "dot") != brute(vectors, "cosine")
    assert ranked(build("dot")) == brute(vectors, "dot")


def test_dimensions_are_cut_and_brought_back_to_unit_length(build: Build, vectors: np.ndarray) -> None:
    run = build(search__dimensions=6)
    assert ranked(run) == brute(vectors[:, :6]) != brute(vectors)
    twins = run[(run["query_id"] == ids(60)[7]) & (run["family_id"] == ids(60)[31])]
    assert twins["score"].item() == pytest.approx(1, abs=1e-6)


def test_centring_subtracts_the_mean_of_the_ranked_unit_vectors(build: Build, vectors: np.ndarray) -> None:
    vectors += 3  # what all share
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = brute(unit - unit[:50].mean(axis=0))
    assert ranked(build(search__centre="landscape")) == expected != brute(vectors)


def test_dimensions_are_cut_before_the_mean_is_taken(build: Build, vectors: np.ndarray) -> None:
    vectors += 3
    cut = vectors[:, :6] / np.linalg.norm(vectors[:, :6], axis=1, keepdims=True)
    run = build(search__dimensions=6, search__centre="landscape")
    assert ranked(run) == brute(cut - cut[:50].mean(axis=0))


def test_centring_under_the_inner_product_takes_the_mean_from_both_sides(build: Build, vectors: np.ndarray) -> None:
    vectors += 3
    mean = vectors[:50].mean(axis=0)
    expected = brute(vectors - mean, "dot")
    assert ranked(build("dot", search__centre="landscape")) == expected
    # From documents alone no rank changes: every score of a query falls by the same.
    names, queries = ids(60), vectors[:20].astype(np.float64)
    alone = queries @ (vectors[:50] - mean).T
    for query, found in brute(vectors, "dot").items():
        place = names.index(query)
        assert found == sorted(
            (names[d] for d in range(50) if d != place), key=lambda name: (-alone[place, names.index(name)], name)
        )
    assert expected != brute(vectors, "dot")


def test_a_vector_of_zeros_stays_so_when_centred(build: Build, vectors: np.ndarray) -> None:
    vectors += 3
    vectors[3] = 0
    run = build(search__centre="landscape")
    assert (run.loc[run["family_id"] == ids(60)[3], "score"] == 0).all()
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    expected = unit - unit[[row for row in range(50) if row != 3]].mean(axis=0)
    others = [name for name in ids(60)[:20] if name != ids(60)[3]]
    for name in others:
        found = [family for family in ranked(run)[name] if family != ids(60)[3]]
        assert found == [family for family in brute(expected)[name] if family != ids(60)[3]]


def test_depth(build: Build, vectors: np.ndarray) -> None:
    assert ranked(build(search__depth=3)) == brute(vectors, depth=3)


def test_earlier_ranks_only_what_is_dated_before_the_query(build: Build, vectors: np.ndarray) -> None:
    dates = [("", "2001-05-05", "2003", "2002-01-01")[i % 4] for i in range(60)]
    run = build(dates=dates, tasks__pool="earlier", search__depth=8)
    assert ranked(run) == brute(vectors, dates=dates, depth=8)
    assert all(not found for name, found in ranked(run).items() if dates[ids(60).index(name)] == "")


def test_all_vectors_equal_gives_the_order_of_the_ids(build: Build, vectors: np.ndarray) -> None:
    vectors[:] = vectors[0]
    run = build(search__depth=5)
    for query, found in ranked(run).items():
        assert found == [name for name in sorted(ids(50)) if name != query][:5]


def test_a_vector_of_zeros_scores_zero(build: Build, vectors: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    vectors[3] = 0
    run = build()
    assert (run.loc[run["query_id"] == ids(60)[3], "score"] == 0).all()
    assert (run.loc[run["family_id"] == ids(60)[3], "score"] == 0).all()
    assert "documents.npy: 1 vectors of zeros" in capsys.readouterr().err


def test_twice_the_same_bytes(build: Build) -> None:
    build()
    first = layout.run(L, "dense").read_bytes()
    build()
    assert layout.run(L, "dense").read_bytes() == first


@pytest.mark.parametrize("options", [{}, {"search__centre": "landscape"}, {"search__dimensions": 4}])
def test_no_queries(workspace: Path, build: Build, options: dict[str, Any]) -> None:
    """Of nothing that is encoded nothing says how many dimensions it has."""
    build(**options)
    tables.write(tables.empty(QUERIES), layout.task(L, "queries"), QUERIES)
    tables.write(pd.DataFrame({"query_id": []}, dtype="str"), layout.vector_ids(L, "queries"), QUERY_ROWS)
    np.save(layout.vectors(L, "queries"), np.zeros((0, 0), np.float32))
    start("search", L)
    assert tables.read(layout.run(L, "dense"), RUN).empty


def damage_nan(path: Path) -> None:
    vectors = np.load(path)
    vectors[2, 1] = np.nan
    np.save(path, vectors)


DAMAGES: list[tuple[Callable[[Path], Any], str]] = [
    (damage_nan, "not finite"),
    (lambda path: path.write_bytes(path.read_bytes()[:300]), "damaged vectors"),
    (lambda path: path.write_bytes(b""), "damaged vectors"),
    (lambda path: path.unlink(), "no such file"),
    (lambda path: np.save(path, np.load(path)[:-1]), "59 vectors for 60 ids"),
    (lambda path: np.save(path, np.load(path).astype(np.float64)), "expected rows of float32"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES)
def test_damaged_vectors_are_named(build: Build, damage: Callable[[Path], Any], said: str) -> None:
    build()
    damage(layout.vectors(L, "documents"))
    layout.run(L, "dense").unlink()
    with pytest.raises(UserError, match=rf"documents\.npy: .*{said}.*dvc repro"):
        start("search", L)
    assert not layout.run(L, "dense").exists()


def test_a_ranked_family_without_a_vector_is_refused(build: Build) -> None:
    """Left out in silence, it would be a relevant family that the dense run never finds."""
    build()
    names, path = sorted(ids(60)), layout.vectors(L, "documents")
    kept = [row for row, name in enumerate(names) if name != ids(60)[30]]
    tables.write(pd.DataFrame({"family_id": [names[row] for row in kept]}), layout.vector_ids(L, "documents"), ROWS)
    np.save(path, np.load(path)[kept])
    with pytest.raises(UserError, match=r"documents\.parquet: family 'E\.030:é' .*pool has no vector.*dvc repro"):
        start("search", L)


def test_more_dimensions_than_there_are(build: Build) -> None:
    with pytest.raises(UserError, match=r"params\.yaml: search\.dimensions is 25, the vectors of .* have 24"):
        build(search__dimensions=25)


def test_an_unknown_landscape_ends_in_one_line(workspace: Path) -> None:
    done = subprocess.run([sys.executable, "-P", "-m", "stages.search", "nowhere"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "error: data/values/nowhere/search.json: no such file; `dvc repro` writes one for each landscape that "
        "evaluate_on of params.yaml names\n"
    )
    assert not (workspace / "data").exists()


@pytest.mark.pipeline
def test_late_interaction_sums_the_best_token_of_each(build: Build) -> None:
    build()
    counts = np.arange(60) % 4 + 1
    rng = np.random.default_rng(2)
    tokens = [rng.standard_normal((count, 8)).astype(np.float32) for count in counts]
    names = sorted(ids(60))
    for side, of in (("documents", range(60)), ("queries", [i for i in range(60) if names[i] in ids(60)[:20]])):
        starts = np.cumsum([0, *counts[list(of)]])[:-1]
        column, kind = ("query_id", TOKEN_QUERY_ROWS) if side == "queries" else ("family_id", TOKEN_ROWS)
        tables.write(pd.DataFrame({column: [names[i] for i in of], "offset": starts}), layout.vector_ids(L, side), kind)
        np.save(layout.vectors(L, side), np.concatenate([tokens[i] for i in of]))
    resolve("search", L)
    values = json.loads(layout.values("search", L).read_text())
    layout.values("search", L).write_text(json.dumps({**values, "similarity": "maxsim"}))
    import_module("stages.search").main(L)
    for query, found in ranked(tables.read(layout.run(L, "dense"), RUN)).items():
        scores = {name: sum((tokens[names.index(query)] @ tokens[i].T).max(axis=1)) for i, name in enumerate(names)}
        allowed = [name for name in ids(50) if name != query]
        assert found == sorted(allowed, key=lambda name: -scores[name])
