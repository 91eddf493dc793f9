"""Late interaction: token vectors against transformers alone, MaxSim against a double loop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import memory
import numpy as np
import pytest
import queried
import tiny
from started import start

from patent_embeddings.corpus.schemas import POOL, QUERIES, VIEW
from patent_embeddings.encoders import factory
from patent_embeddings.retrieval import maxsim
from patent_embeddings.retrieval.schemas import RUN

pytestmark = pytest.mark.pipeline


def entry(folder: Path, **changes: Any) -> Any:
    return tiny.entry(folder, **tiny.LATE, **changes)


def tokens(base: Path, folder: Path, text: str, length: int, skip: str = "", pad: int = 0) -> Any:
    """Projected unit vectors of a text's tokens, alone; `pad`: [MASK]s that see the text but are not seen."""
    import torch
    from safetensors.numpy import load_file
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(base), AutoModel.from_pretrained(base).eval()
    ids = tokenizer(text, truncation=True, max_length=length)["input_ids"]
    seen = [1] * len(ids) + [0] * max(0, pad - len(ids))
    ids += [tokenizer.mask_token_id] * max(0, pad - len(ids))
    with torch.no_grad():
        hidden = model(torch.tensor([ids]), attention_mask=torch.tensor([seen])).last_hidden_state[0].numpy()
    projected = hidden @ load_file(next(folder.glob("1_*/model.safetensors")))["linear.weight"].T
    kept = [i for i, token in enumerate(tokenizer.convert_ids_to_tokens(ids)) if token not in skip or not skip]
    projected = projected[kept]
    return projected / np.linalg.norm(projected, axis=1, keepdims=True)


def split(vectors: Any, offsets: Any) -> list[Any]:
    return np.split(vectors, offsets[1:])


@pytest.mark.parametrize("prompts", [{}, {"query": "q: ", "document": "d: "}])
def test_token_vectors(bert: Path, tmp_path: Path, prompts: dict[str, str]) -> None:
    folder = tiny.late(tmp_path / "m", bert)
    encoder = factory.encoder(entry(folder, prompts=prompts))
    for side in ("query", "document"):
        vectors, offsets = encoder.encode(tiny.TEXTS, side)
        assert vectors.dtype == np.float32
        assert offsets.dtype == np.int64
        for text, found in zip(tiny.TEXTS, split(vectors, offsets), strict=True):
            wanted = tokens(bert, folder, encoder.prompt(side) + text, 48, skip="." if side == "document" else "")
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
            np.testing.assert_allclose(encoder.encode([text], side)[0], wanted, rtol=0, atol=1e-5)


def test_short_queries_are_expanded_and_long_ones_not_cut(bert: Path, tmp_path: Path) -> None:
    folder = tiny.late(tmp_path / "m", bert, expansion=12)
    encoder = factory.encoder(entry(folder))
    short, long = encoder.encode(["a pump", tiny.TEXTS[1]], "query")[1], tiny.TEXTS[1]
    assert short[1] == 12
    found = split(*encoder.encode(["a pump", long], "query"))
    np.testing.assert_allclose(found[0], tokens(bert, folder, "a pump", 48, pad=12), rtol=0, atol=1e-5)
    np.testing.assert_allclose(found[1], tokens(bert, folder, long, 48), rtol=0, atol=1e-5)
    assert len(found[1]) == 48
    cut = factory.encoder(entry(folder, query_length=12))
    assert [len(part) for part in split(*cut.encode(["a pump", long], "query"))] == [12, 12]


def test_length_cuts_documents(bert: Path, tmp_path: Path) -> None:
    encoder = factory.encoder(entry(tiny.late(tmp_path / "m", bert)), length=10)
    assert len(encoder.encode([tiny.TEXTS[1]], "document")[0]) == 10


def test_nothing_to_encode(bert: Path, tmp_path: Path) -> None:
    vectors, offsets = factory.encoder(entry(tiny.late(tmp_path / "m", bert))).encode([], "query")
    assert vectors.shape == (0, 8)
    assert offsets.shape == (0,)


def ragged(rng: np.random.Generator, sizes: list[int]) -> tuple[Any, Any]:
    vectors = rng.standard_normal((sum(sizes), 8)).astype(np.float32)
    return vectors, np.cumsum([0, *sizes[:-1]]).astype(np.int64)


def search(queries: Any, begins: Any, documents: Any, offsets: Any, depth: int) -> tuple[Any, Any]:
    return maxsim.search(queries, begins, documents, offsets)(np.arange(len(begins)), min(depth, len(offsets)))


def brute(queries: list[Any], documents: list[Any], depth: int) -> tuple[Any, Any]:
    """MaxSim by a double loop in float64."""
    scores = np.zeros((len(queries), len(documents)))
    for i, query in enumerate(queries):
        for j, document in enumerate(documents):
            scores[i, j] = sum(max(float(q @ d) for d in document) for q in query) if len(document) else 0.0
    order = np.array([sorted(range(len(documents)), key=lambda j, row=row: (-row[j], j))[:depth] for row in scores])
    return np.take_along_axis(scores, order, 1), order


@pytest.mark.parametrize("block", [1, 7, 1 << 15])
def test_maxsim_equals_a_double_loop(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maxsim, "_BLOCK", block)
    rng = np.random.default_rng(0)
    queries, documents = ragged(rng, [3, 1, 5]), ragged(rng, [4, 1, 9, 2, 2, 30, 1, 6])
    scores, rows = search(*queries, *documents, depth=5)
    wanted, order = brute(split(*queries), split(*documents), 5)
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_allclose(scores, wanted, rtol=1e-5)
    assert scores.dtype == np.float32
    assert rows.dtype == np.int64


def test_equal_scores_keep_the_order_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    vector = np.ones((1, 8), np.float32)
    documents = np.ones((6, 8), np.float32)
    offsets = np.arange(6, dtype=np.int64)
    for block in (1, 2, 100):
        monkeypatch.setattr(maxsim, "_BLOCK", block)
        _, rows = search(vector, np.zeros(1, np.int64), documents, offsets, depth=4)
        assert rows.tolist() == [[0, 1, 2, 3]]


def test_blocks_change_no_byte_and_equal_documents_tie_across_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)  # noqa: E731
    sizes = rng.integers(1, 40, 60).tolist()
    parts = [unit(rng.standard_normal((size, 61)).astype(np.float32)) for size in sizes]
    twins = [5, 17, 31, 32, 58]
    for twin in twins:
        parts[twin] = parts[5]
    parts[44] = parts[43][::-1]  # the same tokens in another order
    documents = np.concatenate(parts), np.cumsum([0, *map(len, parts[:-1])]).astype(np.int64)
    asked = [unit(rng.standard_normal((size, 61)).astype(np.float32)) for size in (3, 32, 120)]
    queries = np.concatenate(asked), np.array([0, 3, 35])
    found = []
    for block in (1, 33, 100, 1 << 15):
        monkeypatch.setattr(maxsim, "_BLOCK", block)
        for depth in (7, 60):
            scores, rows = search(*queries, *documents, depth=depth)
            found.append((depth, scores.tobytes(), rows.tobytes()))
            for score, row in zip(scores, rows, strict=True):
                for alike in (twins, [43, 44]):
                    tied = np.isin(row, alike)
                    assert len(set(score[tied])) <= 1 and row[tied].tolist() == sorted(row[tied])
    assert len(set(found)) == 2
    first, all_ = (search(*queries, *documents, depth=depth) for depth in (7, 60))
    assert all(one.tobytes() == other[:, :7].tobytes() for one, other in zip(first, all_, strict=True))


def test_a_long_query_and_a_document_without_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maxsim, "_PART", 2)
    rng = np.random.default_rng(1)
    queries, documents = ragged(rng, [7]), ragged(rng, [2, 0, 3])
    scores, rows = search(*queries, *documents, depth=9)
    wanted, order = brute(split(*queries), split(*documents), 9)
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_allclose(scores, wanted, rtol=1e-5)


def test_a_cell_embeds_and_ranks(bert: Path, workspace: Path, set_params: Callable[..., None], tmp_path: Path) -> None:
    """Stages embed and search on a late model give the run of a double loop."""
    import pandas as pd
    import yaml

    from patent_embeddings.core import layout, tables

    block = entry(tiny.late(tmp_path / "m", bert)).model_dump(exclude_defaults=True)
    path = layout.registry("models")
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "tiny": block}))
    set_params(model="tiny", recipe="zero-shot", embed__length=20, search__depth=4)
    texts = dict(zip("abcdefg", [*tiny.TEXTS, "a pump with a seal", "spring", "rope and wheel"], strict=True))
    view = pd.DataFrame({"family_id": list(texts), "text": list(texts.values()), "complete": True})
    tables.write(view, layout.view("tiny", "tac"), VIEW)
    queries = queried.table(pd.DataFrame({"query_id": ["b", "e"], "split": "test"}))
    tables.write(queries, layout.task("tiny", "queries"), QUERIES)
    pool = pd.DataFrame({"family_id": list(texts), "date": "", "before": "", "split": "test", "ranked": True})
    tables.write(pool[list(POOL.columns)], layout.task("tiny", "pool"), POOL)
    start("embed", "tiny")
    start("search", "tiny")
    run = tables.read(layout.run("tiny", "dense"), RUN)
    encoder = factory.encoder(entry(tmp_path / "m"), length=20)
    documents = split(*encoder.encode(list(texts.values()), "document"))
    for query in ("b", "e"):
        others = [i for i, family in enumerate(texts) if family != query]
        asked = encoder.encode([texts[query]], "query")[0]
        scores, order = brute([asked], [documents[i] for i in others], 4)
        rows = run[run["query_id"] == query]
        assert rows["family_id"].tolist() == [list(texts)[others[j]] for j in order[0]]
        assert rows["score"].tolist() == pytest.approx(scores[0].tolist(), rel=1e-4)


def test_memory_does_not_grow_with_the_pool(tmp_path: Path) -> None:
    """A process that may allocate 64 MB more than a small pool took searches 160 MB, and cannot hold them."""
    small = """
from patent_embeddings.retrieval.maxsim import search
queries = np.ones((64, 64), np.float32)
def go(n):
    return search(queries, np.array([0, 32]), vectors[:32 * n], np.arange(n) * 32)(np.arange(2), 10)
go(2_000)
"""
    large = """
scores, rows = go(20_000)
print(rows.tolist() == [list(range(10))] * 2)
"""
    assert memory.searched(tmp_path, 20_000 * 32, 64, small, large) == ["True", "whole: no"]
