"""Lengths of views, counted by hand under a tokenizer of letters."""

from __future__ import annotations

from typing import Any

import pandas as pd

from patent_embeddings.corpus import lengths


class Letters:
    """One token a letter, between an opening and a closing one."""

    all_special_ids = [1, 2]

    def __call__(self, texts: list[str], **_: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [[1, *map(ord, text), 2] for text in texts]}


def view(*texts: str) -> pd.DataFrame:
    return pd.DataFrame({"family_id": list("pqrs"), "text": texts, "complete": [text != "" for text in texts]})


def test_what_is_cut_and_what_coincides_is_counted_behind_the_prompt() -> None:
    """Of eight tokens the prompt takes three: a text keeps its first three letters and both special tokens."""
    views = {"one": view("", "abc", "abcd", "abcdefgh"), "two": view("", "abx", "abcz", "abc")}
    found = lengths.measure(views, Letters(), 8, prompt="q: ").set_index(["view", "statistic"])["value"]
    assert found["one"].to_dict() == {
        "families": 4, "empty": 1, "incomplete": 1, "sampled": 4, "truncated": 2, "median-tokens": 5.5,
        "p90-tokens": 8.8, "length": 8, "same-as:two": 3,
    }  # fmt: skip
    assert found["two", "truncated"] == 1 and found["two", "same-as:one"] == 3
    # Without a prompt all eight are the text's.
    bare = lengths.measure(views, Letters(), 8).set_index(["view", "statistic"])["value"]
    assert bare["one", "truncated"] == 1 and bare["one", "same-as:two"] == 1
