"""The index that the scratch keeps: built once, whole or built again, whoever else is at work; and excerpts by it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from workspaces import ROOT

from patent_embeddings.core import layout, scratch
from patent_embeddings.retrieval import excerpts, indexes, lucene

pytestmark = pytest.mark.pipeline

TEXTS = ["zorb quux zorb", "quux flim", "", "flim flim flim krag", "zorb krag vosk " * 5]
CODE = """
import sys
from patent_embeddings.retrieval import indexes
texts = [f"zorb w{i}x w{i % 7}x" for i in range(int(sys.argv[1]))]
with indexes.index(texts, k1=.9, b=.4, label="index") as index:
    print(index.search(["w77x"], 2)[1].tolist(), flush=True)
"""


@pytest.fixture(autouse=True)
def _scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def answer() -> tuple[list[list[float]], list[list[int]]]:
    with indexes.index(TEXTS, k1=0.9, b=0.4, label="index") as index:
        scores, rows = index.search(["zorb vosk", "flim"], 5)
    return scores.tolist(), rows.tolist()


@contextmanager
def fresh(k1: float, query_side: bool) -> Iterator[lucene.Index]:
    """An index of its own, opened without what the scratch keeps."""
    with TemporaryDirectory() as place:
        lucene.build(TEXTS, Path(place) / "index", "fresh")
        with closing(lucene.Index(Path(place) / "index", k1, 0.4, query_side)) as index:
            yield index


def built(capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether an index was built since the last look."""
    return "index: " in capsys.readouterr().err.replace("damaged index, ", "")


def test_it_answers_as_a_runs_index_does_and_is_built_once(capsys: pytest.CaptureFixture[str]) -> None:
    with fresh(0.9, False) as index:
        scores, rows = index.search(["zorb vosk", "flim"], 5)
    capsys.readouterr()
    assert answer() == (scores.tolist(), rows.tolist())
    assert built(capsys)
    assert answer() == (scores.tolist(), rows.tolist())
    assert not built(capsys)


def test_settings_are_the_searchers_and_texts_the_indexs(capsys: pytest.CaptureFixture[str]) -> None:
    for k1, query_side in ((0.9, False), (2.0, False), (0.9, True)):
        with (
            indexes.index(TEXTS, k1=k1, b=0.4, query_side=query_side, label="index") as kept,
            fresh(k1, query_side) as other,
        ):
            assert kept.search(["zorb zorb quux"], 5)[0].tolist() == other.search(["zorb zorb quux"], 5)[0].tolist()
    assert len(kept_folders()) == 1
    capsys.readouterr()
    with indexes.index(TEXTS[::-1], k1=0.9, b=0.4, label="index") as other:
        assert other.search(["vosk"], 1)[1].tolist() == [[0]]
    assert built(capsys) and len(kept_folders()) == 2


def kept_folders() -> list[Path]:
    return [path for path in (layout.scratch() / "lucene").iterdir() if path.is_dir()]


def damages() -> Iterator[str]:
    yield from ("cut", "gone", "list", "rows", "all")


@pytest.mark.parametrize("damage", damages())
def test_a_damaged_index_is_said_and_built_again(damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    first = answer()
    (folder,) = kept_folders()
    file = max((folder / "index").iterdir(), key=lambda path: path.stat().st_size)
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-9])
    elif damage == "gone":
        file.unlink()
    elif damage == "list":
        (folder / "files.json").write_text("{")
    elif damage == "rows":
        np.save(folder / "rows.npy", np.zeros(4, np.int64))
    else:
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    capsys.readouterr()
    assert answer() == first
    said = capsys.readouterr().err
    assert f"{folder}: damaged index, built again\n" in said
    assert answer() == first and capsys.readouterr().err == ""


def test_an_index_in_use_outlives_the_cleaning_of_the_scratch() -> None:
    with indexes.index(TEXTS, k1=0.9, b=0.4, label="index") as index:
        scratch.clean(layout.scratch(), gib=0)
        assert not any((layout.scratch() / "lucene").rglob("*.npy"))
        assert index.search(["vosk"], 1)[1].tolist() == [[4]]
    assert answer()[1][1][:2] == [3, 1]


def started(texts: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CODE, str(texts)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_of_two_at_once_one_builds() -> None:
    both = [started(3000) for _ in range(2)]
    found = [process.communicate(timeout=120) for process in both]
    assert [out for out, _ in found] == ["[[77, -1]]\n"] * 2
    assert sum("3000/3000" in err for _, err in found) == 1
    assert len(kept_folders()) == 1


def test_a_kill_in_the_middle_leaves_nothing_that_is_taken_for_an_index() -> None:
    process = started(30_000)
    until = time.monotonic() + 60
    while not list((layout.scratch() / "lucene").glob(".*/*/index/*")) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = list((layout.scratch() / "lucene").glob(".*partial"))
    assert left and not kept_folders()[len(left) :]
    again = started(30_000)
    out, _ = again.communicate(timeout=120)
    assert out == "[[77, -1]]\n"
    assert len(kept_folders()) == 1 and not list((layout.scratch() / "lucene").glob(".*partial"))


class Held:
    """What excerpts need of a leg."""

    def __init__(self, index: lucene.Index) -> None:
        self.index = index


TALE = (
    "1. A zorb that turns. The quux is by the wall; the krag (item 4) holds a vosk. Nothing of note happens here. "
    "A flim ends it all.\nA krag alone is not rare."
)


def test_an_excerpt_is_the_sentences_that_share_most_with_the_question() -> None:
    texts = [TALE, "krag", "krag quux", "quux krag", "zorb krag", "", f"{'long ' * 100}vosk {'tail ' * 100}"]
    documents = {f"F{place}": text for place, text in enumerate(texts)}
    with ExitStack() as stack:
        index = stack.enter_context(indexes.index(texts, k1=0.9, b=0.4, label="index"))
        # Lucene's weights: log(1 + (6 - n + .5) / (n + .5)) of the six that have words.
        assert index.idf("vosk") == pytest.approx(np.log(1 + 4.5 / 2.5))
        assert lucene.tokens("The Valves, of 4 pumps") == ["valv", "4", "pump"]
        found = excerpts.Excerpts(documents, Held(index))  # type: ignore[arg-type]
        # vosk and krag are in one sentence, zorb in the first one, flim in a later.
        assert found.best("a vosk and a krag", "F0") == "the krag (item 4) holds a vosk."
        assert found.best("flims of zorbs", "F0") == "1. A zorb that turns. … A flim ends it all."
        assert (
            found.best("the walls of a quux, vosk", "F0") == "The quux is by the wall; the krag (item 4) holds a vosk."
        )
        assert found.best("elsewhere", "F0") == "1. A zorb that turns."
        assert found.best("elsewhere", "F5") == ""
        part = found.best("vosk", "F6")
        assert "vosk" in part and len(part) <= excerpts.LETTERS
        assert part.startswith("… long") and part.endswith("tail …")
        assert found.best("long", "F6").startswith("long") and found.best("long", "F6").endswith("long …")
