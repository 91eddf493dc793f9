"""Passages: windows against a plain reading of the rule, search against loops over every passage."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import memory
import numpy as np
import pandas as pd
import pytest
import queried
import yaml
from started import start

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus import pool as pool_
from patent_embeddings.corpus.schemas import POOL, QUERIES, VIEW
from patent_embeddings.encoders import windows
from patent_embeddings.retrieval import passages, ranking
from patent_embeddings.retrieval.schemas import RUN


class Letters:
    """A tokenizer with one token a letter, blanks none, that says where its tokens are."""

    is_fast = True

    def __call__(self, texts: Any, **options: Any) -> dict[str, Any]:
        if isinstance(texts, str):
            return {"input_ids": [0, *(1 for letter in texts if not letter.isspace()), 0]}
        return {
            "offset_mapping": [[(i, i + 1) for i, letter in enumerate(text) if not letter.isspace()] for text in texts]
        }


def test_windows_are_whole_words_of_the_text_and_overlap() -> None:
    text = "aa bbb  c\ndd eeee f gg"
    # 2 3 1 2 4 1 2 letters; windows of at most 6, the next at the last word within 3 letters.
    found, first = windows.cut([text, "", "ab"], Letters(), 6, 3)
    assert found == ["aa bbb  c", "bbb  c\ndd", "c\ndd", "eeee f", "f gg", "", "ab"]
    assert first.tolist() == [0, 5, 6]


@pytest.mark.parametrize(("tokens", "stride"), [(7, 7), (8, 3), (12, 7), (40, 1)])
def test_no_word_is_left_out_and_the_overlap_is_that_asked_for(tokens: int, stride: int) -> None:
    rng = np.random.default_rng(tokens * 100 + stride)
    words = ["abcdefgh"[: rng.integers(1, 6)] + f"{number:02d}" for number in range(60)]
    found, _ = windows.cut([" ".join(words)], Letters(), tokens, stride)
    held = [passage.split() for passage in found]
    assert list(dict.fromkeys(word for passage in held for word in passage)) == words
    assert all(sum(map(len, passage)) <= tokens for passage in held)
    begins = [words.index(passage[0]) for passage in held]
    for here, there in itertools.pairwise(begins):
        # A step is at most the stride, but for a first word that is longer; one word more would be more than it.
        step = sum(map(len, words[here:there]))
        assert step <= max(stride, len(words[here]))
        assert step + len(words[there]) > stride


def test_a_text_without_blanks_is_cut_between_its_tokens() -> None:
    found, _ = windows.cut(["abcdefghij"], Letters(), 4, 2)
    assert found == ["abcd", "cdef", "efgh", "ghij"]


def test_a_tokenizer_that_does_not_say_where_its_tokens_are_is_refused() -> None:
    slow = type("Slow", (), {"is_fast": False})()
    with pytest.raises(UserError, match=r"set embed\.passages\.tokens to null"):
        windows.cut(["a"], slow, 4, 2)


@pytest.mark.pipeline
def test_windows_hold_no_more_tokens_than_asked_of_the_models_own_tokenizer() -> None:
    from patent_embeddings.encoders import tokens
    from patent_embeddings.encoders.entries import model_entry

    tokenizer = tokens.tokenizer(model_entry("minilm"))
    text = "A pressure-regulating valve (10) comprises a spring-loaded seat, 12.5mm wide; cf. US-2,345,678.\n" * 30
    found, _ = windows.cut([text], tokenizer, 40, 25)
    counts = [len(tokenizer(passage, add_special_tokens=False)["input_ids"]) for passage in found]
    assert max(counts) <= 40 and min(counts[:-1]) > 30
    assert all(passage in text for passage in found)
    assert found[0].startswith("A pressure-regulating") and found[-1].endswith("678.")


def loops(queries: Any, documents: list[Any], best: int) -> Any:
    return np.array(
        [
            [np.mean(sorted((float(q @ p) for p in passages), reverse=True)[:best]) for passages in documents]
            for q in queries
        ]
    )


@pytest.mark.parametrize("held", [1, 300, 1 << 23])
@pytest.mark.parametrize("best", [1, 3])
def test_search_equals_loops_over_every_passage(best: int, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passages, "_HELD", held)
    rng = np.random.default_rng(best)
    documents = [rng.standard_normal((count, 8)).astype(np.float32) for count in rng.integers(1, 9, 40)]
    documents[11] = documents[29] = documents[4]
    queries = rng.standard_normal((6, 8)).astype(np.float32)
    starts = np.cumsum([0, *map(len, documents)])
    search = passages.search(queries, np.concatenate(documents), starts, best, lambda part: part)
    wanted = loops(queries.astype(float), [part.astype(float) for part in documents], best)
    scores, rows = search(np.arange(6), 40)
    np.testing.assert_allclose(scores, np.take_along_axis(wanted, rows, 1), atol=1e-5)
    assert (np.sort(rows, axis=1) == np.arange(40)).all()
    for score, row in zip(scores, rows, strict=True):
        assert len(set(score[np.isin(row, [4, 11, 29])])) == 1
    few, kept = search(np.array([4, 2]), 7)
    order = np.argsort(-wanted[[4, 2]], axis=1, kind="stable")[:, :7]
    assert [set(row) - {4, 11, 29} for row in kept] == [set(row) - {4, 11, 29} for row in order]
    assert few.shape == (2, 7)


@pytest.mark.parametrize("best", [1, 3])
def test_neither_blocks_nor_other_queries_nor_the_depth_change_a_byte(
    best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(best)
    documents = [rng.standard_normal((count, 61)).astype(np.float32) + 1 for count in rng.integers(1, 9, 200)]
    for twin in (3, 90, 91, 199):
        documents[twin] = documents[3][:: 1 if twin % 2 else -1]  # its passages in another order
    queries = rng.standard_normal((40, 61)).astype(np.float32)
    starts = np.cumsum([0, *map(len, documents)])
    search = passages.search(queries, np.concatenate(documents), starts, best, lambda part: part)
    whole = search(np.arange(40), 200)
    for score, row in zip(*whole, strict=True):
        assert len(set(score[np.isin(row, [3, 90, 91, 199])])) == 1
    for held in (1, 4000, 1 << 23):
        monkeypatch.setattr(passages, "_HELD", held)
        monkeypatch.setattr(ranking, "_HELD", held)
        for part in (np.arange(40), np.array([7]), np.array([39, 7])):
            found = search(part, 30)
            assert [one.tobytes() for one in found] == [one[part, :30].tobytes() for one in whole]


def test_ready_is_applied_to_every_row_before_it_is_compared() -> None:
    rng = np.random.default_rng(0)
    stored = rng.standard_normal((30, 8)).astype(np.float32)
    starts = np.arange(0, 31, 3)
    queries = rng.standard_normal((2, 8)).astype(np.float32)
    search = passages.search(queries, stored, starts, 1, lambda part: 2 * part)
    wanted = 2 * loops(queries, np.split(stored, 10), 1)
    scores, rows = search(np.arange(2), 10)
    np.testing.assert_allclose(scores, np.take_along_axis(wanted, rows, 1), rtol=1e-5)


@pytest.mark.pipeline
@pytest.mark.parametrize(("how", "centre"), [("best", "none"), ("top3", "landscape")])
def test_a_cell_embeds_passages_and_ranks_families(
    how: str, centre: str, workspace: Path, set_params: Callable[..., None], tmp_path: Path
) -> None:
    """Stages embed and search give the ranking of a loop over passages, each embedded by itself."""
    import tiny

    from patent_embeddings.encoders import factory
    from patent_embeddings.evaluation import outcomes

    entry = tiny.entry(tiny.dense(tmp_path / "m", tiny.bert(tmp_path / "bert"), "mean"))
    path = layout.registry("models")
    models = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**models, "tiny": entry.model_dump(exclude_defaults=True)}))
    set_params(model="tiny", recipe="zero-shot", embed__passages={"tokens": 12, "stride": 6}, search__passages=how,
               search__centre=centre)  # fmt: skip
    rng = np.random.default_rng(0)
    texts = {
        f"f{i}": " ".join("".join(rng.choice(list("abcdefgh"), 3)) for _ in range(rng.integers(0, 30)))
        for i in range(9)
    }
    texts["f3"] = ""
    view = pd.DataFrame({"family_id": list(texts), "text": list(texts.values()), "complete": True})
    tables.write(view, layout.view("t", "tac"), VIEW)
    asked = ["f1", "f7"]
    queries = queried.table(pd.DataFrame({"query_id": asked, "split": "test"}))
    tables.write(queries, layout.task("t", "queries"), QUERIES)
    pool = pd.DataFrame({"family_id": list(texts), "date": "", "before": "", "split": "test", "ranked": True})
    tables.write(pool, layout.task("t", "pool"), POOL)
    start("embed", "t")
    start("search", "t")
    run = tables.read(layout.run("t", "dense"), RUN)

    encoder = factory.encoder(entry)
    cut, first = windows.cut(list(texts.values()), encoder.tokenizer, 12, 6)
    assert len(cut) > 2 * len(texts)
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)  # noqa: E731
    rows = unit(np.concatenate([encoder.encode([text], "document") for text in cut]))
    queries = unit(encoder.encode([texts[name] for name in asked], "query"))
    if centre == "landscape":
        queries, rows = unit(queries - rows.mean(axis=0)), unit(rows - rows.mean(axis=0))
    wanted = loops(queries, np.split(rows, first[1:]), passages.BEST[how])
    for query, scores in zip(asked, wanted, strict=True):
        found = run[run["query_id"] == query].sort_values("rank")
        assert found["family_id"].tolist() == sorted(
            set(texts) - {query}, key=lambda name: -scores[list(texts).index(name)]
        )
        assert found["score"].tolist() == pytest.approx(
            sorted(np.delete(scores, list(texts).index(query)), reverse=True), abs=1e-5
        )
    families, means = outcomes.family_vectors("t", "clustering", ragged=True)
    assert families == list(texts) and means.shape == (9, tiny.DIMENSION)


@pytest.mark.pipeline
def test_passages_that_do_not_fit_the_model_are_refused(tmp_path: Path) -> None:
    import tiny

    from patent_embeddings.encoders import factory

    folder = tiny.dense(tmp_path / "m", tiny.bert(tmp_path / "bert"), "mean")
    encoder = factory.encoder(tiny.entry(folder, prompts={"clustering": "doc: "}), length=20)
    windows.require_room(encoder, encoder.tokenizer, ["document", "clustering"], 14)
    with pytest.raises(UserError, match=r"tokens is 17, but .* tiny/model keeps 14 tokens of a text"):
        windows.require_room(encoder, encoder.tokenizer, ["document", "clustering"], 17)


def test_memory_does_not_grow_with_the_pool(tmp_path: Path) -> None:
    """A process that may allocate 96 MB more than a small pool took searches 240 MB, and cannot hold them."""
    small = """
from patent_embeddings.retrieval import passages
queries = np.ones((8, 64), np.float32)
def go(n):
    search = passages.search(queries, vectors[:32 * n], np.arange(n + 1) * 32, 3, lambda part: part * 1)
    return search(np.arange(8), 10)
passages._HELD = 1 << 20
go(1_000)
"""
    large = """
scores, rows = go(30_000)
print(scores.shape == (8, 10) and float(np.abs(scores).max()) == 0)
"""
    assert memory.searched(tmp_path, 30_000 * 32, 96, small, large) == ["True", "whole: no"]


def test_the_dense_stage_ranks_like_before_where_every_family_is_one_passage() -> None:
    from patent_embeddings.retrieval import nearest

    rng = np.random.default_rng(3)
    documents = rng.standard_normal((50, 8)).astype(np.float32)
    queries = rng.standard_normal((5, 8)).astype(np.float32)
    plain = nearest.search(queries, documents)
    cut = passages.search(queries, documents, np.arange(51), 1, lambda part: part)
    pool = pd.DataFrame({"family_id": [f"{i:02d}" for i in range(50)], "date": "", "before": "", "ranked": True})
    asked = [f"{i:02d}" for i in range(5)]
    open_ = pool_.candidates(pool["family_id"].tolist(), asked, pool, earlier=False)
    one, two = (ranking.retrieve(find, open_, 20, label="", block=3) for find in (plain, cut))
    np.testing.assert_array_equal(one[1], two[1])
    np.testing.assert_allclose(one[0], two[0], atol=1e-6)
