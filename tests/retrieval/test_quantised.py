"""Vectors in fewer bytes: against sentence-transformers' own quantisation, faiss's own search and loops in numpy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import ir_measures
import numpy as np
import pandas as pd
import pytest
import queried

from patent_embeddings.corpus.pool import candidates
from patent_embeddings.evaluation.schemas import COMPRESSION
from patent_embeddings.retrieval import quantised
from patent_embeddings.retrieval.vector_space import Searched

DOCUMENTS, ASKED, DIMENSION, DEPTH = 500, 60, 36, 100  # 36: bits do not fill whole bytes
FAMILIES = [f"F{number:03d}" for number in range(DOCUMENTS)]
QUERIES = [f"Q{number:02d}" for number in range(ASKED)]


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.fixture(scope="module")
def planted() -> dict[str, Any]:
    """Queries that are no families, each near five documents, of grades 1 to 3; two documents are equal."""
    rng = np.random.default_rng(11)
    documents = unit(rng.standard_normal((DOCUMENTS, DIMENSION)) + 0.6)
    documents[17] = documents[3]
    near = np.array([rng.choice(DOCUMENTS, 5, replace=False) for _ in QUERIES])
    queries = unit(documents[near].mean(axis=1) + 0.08 * rng.standard_normal((ASKED, DIMENSION)))
    judged = [
        (query, FAMILIES[row], 1 + place % 3, "in" if place % 2 else "out")
        for query, rows in zip(QUERIES, near, strict=True)
        for place, row in enumerate(rows)
    ]
    qrels = pd.DataFrame(judged, columns=["query_id", "family_id", "relevance", "scope"])
    splits = ["test" if number % 3 else "dev" for number in range(ASKED)]
    pool = pd.DataFrame({"family_id": [*FAMILIES, *QUERIES], "date": "", "before": "", "split": "test"})
    pool["ranked"] = pool["family_id"].str.startswith("F")
    return {
        "found": Searched(queries, documents, np.arange(DOCUMENTS + 1)),
        "open_": candidates(FAMILIES, QUERIES, pool, earlier=False),
        "queries": queried.table(pd.DataFrame({"query_id": QUERIES, "split": splits})),
        "qrels": qrels,
    }


def ranked(planted: dict[str, Any], form: str, depth: int = DEPTH) -> np.ndarray:
    index = quantised.built(form, planted["found"].documents)
    _, rows = quantised.retrieve(index, planted["found"], planted["open_"], depth, label="test")
    return np.asarray(rows)


def measured(planted: dict[str, Any], rows: Any) -> dict[str, float]:
    """What ir_measures makes of ranked rows, on the test queries."""
    tests = set(planted["queries"].loc[planted["queries"]["split"] == "test", "query_id"])
    columns = planted["qrels"][["query_id", "family_id", "relevance"]].itertuples(index=False)
    qrels = [ir_measures.Qrel(*row) for row in columns if row[0] in tests]
    run = [
        ir_measures.ScoredDoc(query, FAMILIES[row], -float(place))
        for query, best in zip(QUERIES, rows, strict=True)
        if query in tests
        for place, row in enumerate(best)
    ]
    metrics = {ir_measures.parse_measure(name): name for name in quantised.METRICS}
    return {metrics[key]: value for key, value in ir_measures.calc_aggregate(list(metrics), qrels, run).items()}


def ours(planted: dict[str, Any]) -> pd.DataFrame:
    return quantised.losses(**planted).set_index(["form", "scope", "metric"]).sort_index()


@pytest.mark.pipeline
def test_bits_are_those_of_sentence_transformers(planted: dict[str, Any]) -> None:
    from sentence_transformers.util.quantization import quantize_embeddings, semantic_search_faiss

    found = planted["found"]
    packed = quantize_embeddings(found.documents, "ubinary")
    hits, _ = semantic_search_faiss(
        found.queries, corpus_embeddings=packed, corpus_precision="ubinary", top_k=DEPTH,
        rescore_multiplier=quantised.RESCORE,
    )  # fmt: skip
    theirs = np.array([[hit["corpus_id"] for hit in best] for best in hits])
    mine = ranked(planted, "binary")
    # Equal documents: theirs are in no order, ours by family id.
    assert np.array_equal(np.where(mine == 17, 3, mine), np.where(theirs == 17, 3, theirs))
    table, exact = ours(planted), measured(planted, ranked(planted, "float32"))
    for metric, value in measured(planted, mine).items():
        row = table.loc[("binary", "all", metric)]
        assert row["value"] == pytest.approx(value, abs=1e-9)
        assert row["difference"] == pytest.approx(value - exact[metric], abs=1e-9)
    assert table.loc[("binary", "all", "nDCG@10"), "difference"] < -0.01  # bits do lose something here


@pytest.mark.pipeline
def test_eight_bits_are_those_of_sentence_transformers(planted: dict[str, Any]) -> None:
    from sentence_transformers.util.quantization import quantize_embeddings

    found = planted["found"]
    codes = quantize_embeddings(found.documents, "uint8", calibration_embeddings=found.documents)
    index = quantised.built("int8", found.documents)
    held = faiss.vector_to_array(index.codes).reshape(codes.shape)
    # 256 levels between least and greatest value of a dimension in both; a value at the edge of two rounds either way.
    assert (held != codes).mean() < 1e-3 and np.abs(held.astype(int) - codes).max() <= 1
    low, high = found.documents.min(axis=0), found.documents.max(axis=0)
    theirs = low + codes * (high - low).astype(np.float64) / 255
    # faiss takes the middle of a level, they its lower edge: the same for all documents, so that no rank changes.
    scores = found.queries @ theirs.T
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
    table = ours(planted)
    for metric, value in measured(planted, rows).items():
        assert table.loc[("int8", "all", metric), "value"] == pytest.approx(value, abs=2e-3)


def test_what_ties_in_bits_at_the_cut_goes_by_family(planted: dict[str, Any]) -> None:
    found, depth = planted["found"], 20
    asked, signs = found.queries.astype(np.float64), np.where(found.documents > 0, 1.0, -1.0)
    alike = np.where(asked > 0, 1.0, -1.0) @ signs.T
    order = np.argsort(-alike, axis=1, kind="stable")
    fallen = np.take_along_axis(alike, order, axis=1)
    assert (fallen[:, 4 * depth - 1] == fallen[:, 4 * depth]).mean() > 0.5
    near = np.sort(order[:, : 4 * depth], axis=1)
    again = np.argsort(-np.take_along_axis(asked @ signs.T, near, axis=1), axis=1, kind="stable")[:, :depth]
    np.testing.assert_array_equal(ranked(planted, "binary", depth), np.take_along_axis(near, again, axis=1))


@pytest.mark.parametrize("form", ["float32", "float16", "int8"])
def test_ranks_are_those_of_faiss_searching_the_file(planted: dict[str, Any], form: str, tmp_path: Path) -> None:
    found = planted["found"]
    index = quantised.built(form, found.documents)
    (tmp_path / "index").write_bytes(quantised.as_bytes(index))
    read = faiss.read_index(str(tmp_path / "index"))
    scores, rows = read.search(found.queries, DEPTH)
    kept = quantised.held(read, DIMENSION)
    assert np.array_equal(kept, quantised.held(index, DIMENSION))
    # Faiss rounds sums of float32 in its own order: where ranks differ, scores are as good as equal.
    mine = ranked(planted, form)
    score = found.queries.astype(np.float64) @ kept.T.astype(np.float64)
    assert np.abs(np.take_along_axis(score, mine, 1) - scores).max() < 1e-6
    assert (mine == rows).mean() > 0.99


def test_half_precision_is_numpys(planted: dict[str, Any]) -> None:
    documents = planted["found"].documents
    half, kept = documents.astype(np.float16), quantised.held(quantised.built("float16", documents), DIMENSION)
    # Exactly between two numbers numpy goes to the even one, faiss up on processors without an instruction for it.
    assert (np.abs(kept - half.astype(np.float32)) <= np.spacing(np.abs(half)).astype(np.float32)).all()
    assert (kept == half).mean() > 0.999
    scores = planted["found"].queries.astype(np.float64) @ kept.astype(np.float64).T
    mine = np.take_along_axis(scores, ranked(planted, "float16"), 1)
    assert np.abs(mine + np.sort(-scores, axis=1)[:, :DEPTH]).max() < 1e-6


def signs(rows: np.ndarray) -> np.ndarray:
    return np.where(rows > 0, 1.0, -1.0)


def brute(found: Searched, form: str, query: int, allowed: list[int], depth: int) -> list[int]:
    """The best allowed families of a query, by loops."""

    def score(asked: np.ndarray, kept: np.ndarray, family: int) -> np.float32:
        rows = kept[found.starts[family] : found.starts[family + 1]].astype(np.float64)
        return np.float32(sorted(rows @ asked.astype(np.float64), reverse=True)[: found.best]).mean(dtype=np.float64)

    asked = found.queries[query]
    if form != "binary":
        kept = quantised.held(quantised.built(form, found.documents), found.documents.shape[1])
        return sorted(allowed, key=lambda family: (-np.float32(score(asked, kept, family)), family))[:depth]
    kept = signs(found.documents)
    near = sorted(allowed, key=lambda family: (-round(float(score(signs(asked), kept, family)), 4), family))
    again = near[: quantised.RESCORE * depth]
    return sorted(again, key=lambda family: (-np.float32(score(asked, kept, family)), family))[:depth]


@pytest.mark.parametrize("best", [1, 3])
@pytest.mark.parametrize("form", list(quantised.FORMS))
def test_candidates_are_those_of_the_run_and_passages_those_of_their_family(form: str, best: int) -> None:
    """Own family left out, unranked ones too, and what is not earlier; a family has one to four rows."""
    rng = np.random.default_rng(best)
    families, counts = FAMILIES[:90], rng.integers(1, 5, 90)
    rows = unit(rng.standard_normal((int(counts.sum()), 20)) + 0.3)
    starts = np.concatenate([[0], np.cumsum(counts)])
    asked = [*families[:12], "Q1"]
    queries = unit(np.vstack([rows[starts[:12]], rng.standard_normal((1, 20))]))
    dates = [f"20{year:02d}-01-01" for year in rng.integers(0, 20, 91)]
    pool = pd.DataFrame({"family_id": [*families, "Q1"], "date": dates, "before": dates, "split": "test"})
    pool["ranked"] = [number % 7 != 5 and number < 90 for number in range(91)]
    found = Searched(queries, rows, starts, best)
    open_ = candidates(families, asked, pool, earlier=True)
    index = quantised.built(form, rows)
    _, mine = quantised.retrieve(index, found, open_, 5, label="test")
    date = dict(zip(pool["family_id"], dates, strict=True))
    for query, name in enumerate(asked):
        allowed = [
            place
            for place, family in enumerate(families)
            if pool["ranked"][place] and family != name and date[family] < date[name]
        ]
        expected = brute(found, form, query, allowed, 5)
        assert mine[query][mine[query] >= 0].tolist() == expected, (name, form)


def test_bytes_are_those_of_the_file_and_the_same_again(planted: dict[str, Any], tmp_path: Path) -> None:
    documents, table = planted["found"].documents, ours(planted)
    for form in quantised.FORMS:
        index = quantised.built(form, documents)
        write = faiss.write_index_binary if form == "binary" else faiss.write_index
        write(index, str(tmp_path / form))
        assert (tmp_path / form).read_bytes() == quantised.as_bytes(quantised.built(form, documents.copy()))
        size = (tmp_path / form).stat().st_size
        assert (table.loc[form, "bytes"] == size).all()
        assert table.loc[form, "bytes_per_family"].to_numpy() == pytest.approx(size / DOCUMENTS)
    values = {form: int(table.loc[form, "bytes"].iloc[0]) for form in quantised.FORMS}
    numbers = DOCUMENTS * DIMENSION
    assert values["float32"] >= 4 * numbers > values["float16"] >= 2 * numbers > values["int8"] >= numbers
    assert numbers / 8 <= values["binary"] < numbers / 4


def test_losses_are_of_the_test_queries_with_the_intervals_that_they_allow(planted: dict[str, Any]) -> None:
    table = ours(planted)
    exact = measured(planted, ranked(planted, "float32"))
    for metric, value in exact.items():
        row = table.loc[("float32", "all", metric)]
        assert row["value"] == pytest.approx(value, abs=1e-9) and row["difference"] == row["low"] == row["high"] == 0
    assert set(table["n"]) == {40}
    assert ((table["low"] <= table["difference"]) & (table["difference"] <= table["high"])).all()
    few = planted["queries"].assign(split=["test"] * 5 + ["dev"] * (ASKED - 5))
    table = quantised.losses(**{**planted, "queries": few})
    assert set(table["n"]) == {5} and table[["low", "high"]].isna().all(axis=None)
    none = quantised.losses(**{**planted, "queries": planted["queries"].assign(split="train")})
    assert none.empty and list(none.columns) == list(COMPRESSION.columns)


def test_grades_below_the_threshold_and_what_is_out_of_reach_count_as_in_the_run(planted: dict[str, Any]) -> None:
    table = quantised.losses(**planted, threshold=3).set_index(["form", "scope", "metric"])
    only = planted["qrels"].loc[planted["qrels"]["relevance"] >= 3]
    expected = measured({**planted, "qrels": only}, ranked(planted, "int8"))
    assert table.loc[("int8", "all", "R@100"), "value"] == pytest.approx(expected["R@100"], abs=1e-9)
    within = (planted["qrels"]["query_id"] != "Q01").to_numpy()
    assert set(quantised.losses(**planted, reachable=within)["n"]) == {39}


def test_a_vector_of_zeros_has_no_bits_and_is_ranked(planted: dict[str, Any]) -> None:
    documents = planted["found"].documents.copy()
    documents[5] = 0
    found = replace(planted["found"], documents=documents)
    _, rows = quantised.retrieve(quantised.built("binary", documents), found, planted["open_"], DOCUMENTS, label="test")
    assert (np.sort(rows, axis=1) == np.arange(DOCUMENTS)).all()
