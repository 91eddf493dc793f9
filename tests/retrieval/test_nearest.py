"""Exact search by inner product, against float64 in numpy and against the float32 path, byte by byte."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from patent_embeddings.core.arrays import Search
from patent_embeddings.encoders import devices
from patent_embeddings.encoders.devices import Device
from patent_embeddings.retrieval import nearest, proposals

QUERIES = 150
Pair = tuple[np.ndarray, np.ndarray]


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def drawn(kind: str, documents: int = 6000, dimension: int = 61) -> Pair:
    """Queries and documents of a kind, float32."""
    rng = np.random.default_rng(7)
    asked, found = (rng.standard_normal((rows, dimension)) for rows in (QUERIES, documents))
    if kind == "cone":  # all near one direction, as of many models: scores within a few hundredths
        asked, found = asked + 4, found + 4
    if kind == "lengths":
        return np.float32(asked), np.float32(found * rng.uniform(0.01, 100, (documents, 1)))
    if kind == "sorted":  # what a sample or the first block sees is not what comes
        found = found[np.argsort(found @ asked[0])]
    if kind == "signs":  # whole numbers: thousands of ties
        return np.float32(np.sign(asked)), np.float32(np.sign(found))
    if kind == "twins":
        found[rng.integers(0, documents, documents // 2)] = found[0]
    return unit(asked), unit(found)


KINDS = ("sphere", "cone", "lengths", "sorted", "signs", "twins")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 30, 700, 6000])
def test_the_best_are_those_of_float64(kind: str, k: int) -> None:
    queries, documents = drawn(kind)
    scores, rows = nearest.search(queries, documents)(np.arange(QUERIES), k)
    exact = queries.astype(np.float64) @ documents.T.astype(np.float64)
    lengths = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(documents, axis=1).max()
    assert scores.shape == rows.shape == (QUERIES, k)
    assert all(len(set(row)) == k for row in rows)
    assert (np.abs(np.take_along_axis(exact, rows, 1) - scores) <= 1e-6 * lengths).all()
    assert (np.abs(-np.sort(-exact, axis=1)[:, :k] - scores) <= 1e-6 * lengths).all()
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.pipeline
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 30, 700])
@pytest.mark.parametrize("product", ["bfloat16", "as on a GPU", "as on a GPU that is too small for the documents"])
def test_what_proposes_changes_no_byte(kind: str, k: int, product: str, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, documents = drawn(kind)
    plain, other = nearest.search(queries, documents), nearest.search(queries, documents, halved=True)
    if product != "bfloat16":
        other = on_a_gpu(
            monkeypatch, queries, documents, documents.nbytes if product.endswith("documents") else 1 << 30
        )
    for part in (np.arange(QUERIES), np.arange(40, 43)):
        assert [one.tobytes() for one in plain(part, k)] == [one.tobytes() for one in other(part, k)]


def on_a_gpu(monkeypatch: pytest.MonkeyPatch, queries: np.ndarray, documents: np.ndarray, free: int) -> Search:
    """The search as on a GPU with so many bytes free, by the same code, but for the device: a processor."""
    monkeypatch.setattr(proposals, "_free", lambda _: free)
    product = proposals._Torch(documents, "float32", "cpu")
    assert (product.held is None) == (free < 2 * documents.nbytes)
    monkeypatch.setattr(proposals, "products", lambda *_: [product])
    return nearest.search(queries, documents)


@pytest.mark.pipeline
@pytest.mark.parametrize("said", ["CUDA out of memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED"])
def test_where_a_gpus_memory_ends_tiles_are_smaller(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch says so itself, or where its own part of the memory is not full CUDA or cuBLAS does."""
    import torch

    kind = torch.OutOfMemoryError if said.startswith("CUDA out") else RuntimeError

    queries, documents = drawn("sphere")
    expected = nearest.search(queries, documents)(np.arange(QUERIES), 30)
    ask, multiply, refused = on_a_gpu(monkeypatch, queries, documents, 1 << 30), torch.mm, []

    def mm(rows: torch.Tensor, columns: torch.Tensor, **options: Any) -> torch.Tensor:
        if len(rows) * columns.shape[1] > 20_000:
            refused.append(len(rows) * columns.shape[1])
            raise kind(said)
        return multiply(rows, columns, **options)

    monkeypatch.setattr(torch, "mm", mm)
    assert [one.tobytes() for one in ask(np.arange(QUERIES), 30)] == [one.tobytes() for one in expected]
    assert refused
    monkeypatch.setattr(torch, "mm", lambda *_, **__: mm(torch.ones(20_001, 1), torch.ones(1, 1)))
    with pytest.raises(MemoryError, match=said):
        ask(np.arange(QUERIES), 30)
    said = "an illegal memory access was encountered"
    with pytest.raises(RuntimeError, match=said):
        ask(np.arange(QUERIES), 30)


@pytest.mark.parametrize("forced", ["", "0", "1"])
@pytest.mark.parametrize("large", [True, False])
def test_large_searches_are_proposed_on_a_gpu_in_whole_float32(
    monkeypatch: pytest.MonkeyPatch, large: bool, forced: str
) -> None:
    """Where NVIDIA's libraries are told to drop bits, and for small searches, a processor multiplies."""
    monkeypatch.setattr(proposals, "_LARGE", 0 if large else 1e20)
    monkeypatch.setattr(proposals, "_Torch", lambda _, *how: how)
    gpu = Device("cuda", "NVIDIA H200", 1 << 30, True)
    monkeypatch.setattr(devices, "planned", lambda: gpu)
    monkeypatch.setattr(devices, "loaded", lambda: gpu)
    monkeypatch.setattr(devices, "processor", lambda: Device("cpu", "", None, False))
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", forced)
    found = proposals.products(5, np.ones((9, 4), np.float32), None)
    if large and forced != "1":
        assert found[0] == ("float32", "cuda") and isinstance(found[1], proposals._Float32)  # for what does not fit
    else:
        assert isinstance(found[0], proposals._Float32) and len(found) == 1


@pytest.mark.pipeline
@pytest.mark.parametrize("kind", KINDS)
def test_no_score_leaves_its_bound(kind: str) -> None:
    """Of either product, with the exact score between them."""
    queries, documents = drawn(kind)
    exact = documents.astype(np.float64) @ queries.T.astype(np.float64)
    kinds = (proposals._Float32(documents), 2.0**-24), (proposals._Torch(documents, "bfloat16"), 2.0**-8)
    for product, rounding in (*kinds, (proposals._Torch(documents, "float32"), 2.0**-24)):
        asked, error = product.ask(queries)
        proposed = np.empty(exact.shape)
        for rows in proposals.tiles(len(documents), 700):
            places, scores = product.high(product.scores(asked, rows), np.full(QUERIES, -np.inf, np.float32))
            proposed[rows] = scores.reshape(QUERIES, -1).T
            assert (places == np.arange(proposed[rows].size)).all()
        assert (np.abs(exact - proposed) <= error + rounding * np.abs(proposed)).all()
        if kind == "sphere":  # and not by being far too wide: of vectors in all directions errors cancel
            assert np.abs(exact - proposed).max() > error.max() / 100


@pytest.mark.parametrize("dimension", [1, 7, 48, 61, 384])
def test_equal_vectors_tie_exactly_wherever_they_stand(dimension: int) -> None:
    """At whatever address: rows of 61 numbers begin at every multiple of 4 bytes."""
    rng = np.random.default_rng(0)
    documents = rng.standard_normal((5000, dimension)).astype(np.float32)
    places = [0, 17, 18, 19, 2048, 2051, 4095, 4999]
    documents[places] = documents[0]
    queries = rng.standard_normal((40, dimension)).astype(np.float32)
    queries[1] = queries[0]
    ask = nearest.search(queries, documents)
    for part in (np.arange(40), np.arange(1), np.arange(30, 35)):
        scores, rows = ask(part, 5000)
        for score, row in zip(scores, rows, strict=True):
            assert len(set(score[np.isin(row, places)])) == 1
    first, second = ask(np.arange(2), 100)[0]
    assert first.tobytes() == second.tobytes()


def test_whoever_asks_beside_it_a_query_finds_the_same() -> None:
    queries, documents = drawn("sphere")
    ask = nearest.search(queries, documents)
    together = ask(np.arange(QUERIES), 50)
    for query in (0, 77, 149):
        alone = ask(np.array([query]), 50)
        assert all(one[query].tobytes() == other.tobytes() for one, other in zip(together, alone, strict=True))


def test_a_score_is_that_of_its_pair_alone() -> None:
    queries, documents = drawn("cone")
    scores, rows = nearest.search(queries, documents)(np.arange(QUERIES), 20)
    again = nearest.score(queries, documents, np.repeat(np.arange(QUERIES), 20), rows.ravel())
    assert again.tobytes() == scores.tobytes()


@pytest.mark.parametrize("halved", [False, pytest.param(True, marks=pytest.mark.pipeline)])
def test_what_does_not_fit_in_memory_is_found_in_halves(monkeypatch: pytest.MonkeyPatch, halved: bool) -> None:
    queries, documents = drawn("twins")
    whole = nearest.search(queries, documents)(np.arange(QUERIES), 30)
    monkeypatch.setattr(nearest, "_HELD", 20_000)
    monkeypatch.setattr(proposals, "_TILE", 10_000)
    parts = nearest.search(queries, documents, halved=halved)(np.arange(QUERIES), 30)
    assert [one.tobytes() for one in whole] == [one.tobytes() for one in parts]


@pytest.mark.parametrize("shape", [(1, 5, 8), (3, 1, 8), (3, 5, 1)])
def test_small_ones(shape: tuple[int, int, int]) -> None:
    asked, found, dimension = shape
    rng = np.random.default_rng(1)
    queries, documents = (np.float32(rng.standard_normal((rows, dimension))) for rows in (asked, found))
    scores, rows = nearest.search(queries, documents)(np.arange(asked), 9)
    assert scores.shape == rows.shape == (asked, found)
    np.testing.assert_array_equal(rows, np.argsort(-(queries @ documents.T), axis=1, kind="stable"))


@pytest.mark.pipeline
def test_rows_that_may_not_be_written_to_are_searched_in_silence(tmp_path: Path) -> None:
    """As of a memory map, or of a worker of Ray: torch warns of them, once a process."""
    queries, documents = drawn("sphere")
    np.save(tmp_path / "rows.npy", documents)
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r")
    code = (
        "import sys, numpy as np; from patent_embeddings.retrieval import nearest;"
        "rows = np.load(sys.argv[1], mmap_mode='r'); nearest.search(rows[:3], rows, halved=True)(np.arange(3), 5)"
    )
    said = subprocess.run([sys.executable, "-c", code, tmp_path / "rows.npy"], capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")
    found = nearest.search(queries, rows, halved=True)(np.arange(QUERIES), 9)
    plain = nearest.search(queries, documents)(np.arange(QUERIES), 9)
    assert [one.tobytes() for one in found] == [one.tobytes() for one in plain]
