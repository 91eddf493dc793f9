"""Domains of a landscape's own take the place of IPC classes; labels of several levels are as many label sets."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from patent_embeddings.corpus.families import assemble
from patent_embeddings.corpus.judgements import domains, judgements
from patent_embeddings.corpus.labels import label_sets


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    return assemble([{"family_id": name, **row} for name, row in zip("abcd", rows, strict=False)], []).families


def scopes(families: pd.DataFrame, *pairs: str) -> list[str]:
    cites = pd.DataFrame([(*pair, "") for pair in pairs], columns=["citing_id", "cited_id", "category"])
    return judgements(cites, families, "cited")["scope"].tolist()


def test_domains_decide_in_and_out_where_any_family_has_one() -> None:
    pump, valve = {"ipc": ["F04B1/00"]}, {"ipc": ["F16K1/00"]}
    assert scopes(frame(pump, pump, valve, {}), "ab", "ac", "ad") == ["in", "out", "unknown"]
    named = frame(pump | {"domains": ["9"]}, pump | {"domains": ["42"]}, valve | {"domains": ["42", "9"]}, pump)
    assert scopes(named, "ab", "ac", "ad", "bc") == ["out", "in", "unknown", "in"]
    assert domains(named) == {"a": ["9"], "b": ["42"], "c": ["42", "9"], "d": []}


def sets(*rows: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    families = frame(*rows)
    found: dict[str, dict[str, list[str]]] = {}
    for one in label_sets(families, dict.fromkeys("abcd", "test")).to_dict("records"):
        found.setdefault(one["label_set"], {})[one["family_id"]] = list(one["labels"])
    return found


def test_domains_are_a_label_set() -> None:
    assert sets({"domains": ["Class 9", "Class 9", "42"]}, {}) == {"domain": {"a": ["Class 9", "42"]}}


def test_labels_of_several_levels_are_a_set_a_level() -> None:
    assert sets({"labels": ["topic:pumps", "use:marine: deep", "topic: valves"]}, {"labels": ["use:air"]}) == {
        "own-topic": {"a": ["pumps", "valves"]}, "own-use": {"a": ["marine: deep"], "b": ["air"]},
    }  # fmt: skip


@pytest.mark.parametrize("plain", ["pumps", "a b:c", ":c", "topic:", "topic: "])
def test_where_one_label_has_no_level_none_has(plain: str) -> None:
    rows = {"labels": ["topic:pumps", plain]}, {"labels": ["use:air"]}
    assert sets(*rows) == {"own": {"a": ["topic:pumps", plain], "b": ["use:air"]}}
