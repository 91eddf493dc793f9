from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from patent_embeddings.encoders import factory, shards
from patent_embeddings.encoders.values import Side

pytestmark = pytest.mark.pipeline


class Counting:
    """An encoder whose vector is a text's length and first letter, and which counts what it encodes."""

    limit = 4
    device = "cpu"

    def __init__(self, late: bool = False, prompt: str = "") -> None:
        self.late, self.asked, self.prompts = late, list[str](), {"query": prompt}

    def key(self, side: str) -> str:
        return f"{self.late} {self.prompts.get(side, '')}"

    def encode(self, texts: Sequence[str], side: str) -> Any:
        self.asked += texts
        rows = [
            np.full((len(text) if self.late else 1, 2), [len(text), ord(text[0])], dtype=np.float32) for text in texts
        ]
        counts = np.array([len(row) for row in rows])
        return (np.concatenate(rows), np.cumsum(counts) - counts) if self.late else np.concatenate(rows)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> None:
    monkeypatch.setattr(shards, "SIZE", 3)
    monkeypatch.setattr(factory, "opened", lambda model: model)


def encode(encoder: Any, **texts: list[str]) -> shards.Encoded:
    """Encode documents, or documents and queries, into the folder `out`."""
    Path("out").mkdir(exist_ok=True)
    named: dict[str, Side] = {"documents": "document", "queries": "query"}
    return shards.encode(encoder, {name: (named[name], each) for name, each in texts.items()}, Path("out"), "t")


def written(name: str) -> np.ndarray:
    return cast("np.ndarray", np.load(f"out/{name}.npy"))


TEXTS = ["b", "aa", "b", "cccc", "ddd", "e", "aa"]


def test_vectors_come_in_the_order_of_the_texts_and_each_text_is_encoded_once() -> None:
    encoder = Counting()
    encoded = encode(encoder, documents=TEXTS, queries=["aa", "z"])
    assert written("documents").tolist() == [[len(t), ord(t[0])] for t in TEXTS]
    assert written("queries").tolist() == [[2, ord("a")], [1, ord("z")]]
    assert sorted(encoder.asked) == sorted({*TEXTS, "z"})
    assert (encoded.texts, encoded.computed) == (6, 6)


def test_a_prompt_of_its_own_keeps_a_side_apart() -> None:
    encoder = Counting(prompt="query: ")
    encode(encoder, documents=["a"], queries=["a"])
    assert encoder.asked == ["a", "a"]


def test_token_vectors_come_with_the_first_row_of_each_text() -> None:
    encoder = Counting(late=True)
    encoded = encode(encoder, documents=TEXTS)
    offsets = encoded.first["documents"]
    assert offsets is not None and offsets.tolist() == [0, 1, 3, 4, 8, 11, 12]
    assert written("documents")[:, 0].tolist() == [len(text) for text in TEXTS for _ in text]
    assert sorted(encoder.asked) == sorted(set(TEXTS)) and encoded.computed == encoded.texts == len(set(TEXTS))


def test_no_text_gives_an_array_of_no_row() -> None:
    encode(Counting(), documents=[])
    assert written("documents").shape[0] == 0


def test_after_a_kill_at_most_one_shard_is_encoded_again() -> None:
    class Killed(Counting):
        def encode(self, texts: Sequence[str], side: str) -> Any:
            if len(self.asked) >= 3:
                raise KeyboardInterrupt
            return super().encode(texts, side)

    with pytest.raises(KeyboardInterrupt):
        encode(Killed(), documents=TEXTS)
    again = Counting()
    encode(again, documents=TEXTS)
    assert len(again.asked) == len(set(TEXTS)) - 3
    assert encode(Counting(), documents=TEXTS).computed == 0


@pytest.mark.parametrize("damage", [lambda blob: blob[:-3], lambda blob: blob[:50] + bytes([blob[50] ^ 1]) + blob[51:]])
def test_a_damaged_shard_is_named_and_encoded_again(
    damage: Any, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encode(Counting(), documents=TEXTS)
    whole = written("documents")
    victim = sorted((workspace / "cache").rglob("*.shard"))[0]
    victim.write_bytes(damage(victim.read_bytes()))
    again = encode(Counting(), documents=TEXTS)
    np.testing.assert_array_equal(written("documents"), whole)
    assert 0 < again.computed <= 3
    assert f"{victim}: damaged shard" in capsys.readouterr().err


def test_what_no_token_is_kept_of_is_not_handed_to_the_encoder() -> None:
    encoder = Counting()
    long = "one  two\nthree four five six seven eight "
    encode(encoder, documents=[long + "nine ten", long + "ten", "few  words ", "x"])
    assert sorted(encoder.asked) == ["few  words ", long, "x"]
