"""What a landscape holds, in lines: counted by hand, with the reason for whatever cannot be scored."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from own_files import families, prepare

from patent_embeddings.core import layout, tables
from patent_embeddings.core.files import write_json
from patent_embeddings.corpus.families import Raw, assemble
from patent_embeddings.corpus.near_duplicates import near
from patent_embeddings.corpus.schemas import ASKED, CITATIONS, FAMILIES, RELATIONS
from patent_embeddings.corpus.summary import grouped, held
from stages import landscape as landscape_stage


def landscape(*rows: dict[str, Any], cites: tuple[str, ...] = (), **notes: Any) -> Raw:
    """A landscape of families a, b, c, ... that cite as pairs of letters say."""
    named = [{"family_id": chr(97 + number), "title": "A pump", **row} for number, row in enumerate(rows)]
    raw = assemble(named, [(pair[0], pair[1]) for pair in cites])
    return replace(raw, notes=raw.notes | notes)


def said(raw: Raw, relevance: str = "cited") -> dict[str, list[str]]:
    return grouped(held(raw, relevance, seed=0, fold=0))


def test_what_there_is_is_counted() -> None:
    one = {"abstract": "A pump pumps.", "ipc": ["F04B1/00", "F16K1/00"], "jurisdiction": "US", "date": "2001-01-01"}
    two = {"abstract": "A valve.", "ipc": ["F16K1/00"], "jurisdiction": "EP", "date": "2003-01-01", "labels": ["x"]}
    three = {"ipc": [], "jurisdiction": "US", "priority": "1999-12-31", "applicants": ["Someone"]}
    found = said(landscape(one, two, three, cites=("ab", "ac", "bc", "az"), **{"abstract: in en": 2, "odd": "3"}))
    assert found["families"] == [
        "families: 3",
        "title: 3 families (100.0%), median 2 words",
        "abstract: 2 families (66.7%), median 2 words; language: 2 en",
        "claims: 0 families (0.0%)",
        "description: 0 families (0.0%)",
        "date: 2 families (66.7%), 2001-01-01 to 2003-01-01",
        "priority: 1 families (33.3%), 1999-12-31 to 1999-12-31",
        "jurisdiction: US 2, EP 1",
    ]
    assert found["codes and labels"][:2] == [
        "ipc: 2 families (66.7%), 2 distinct",
        "cpc: 0 families (0.0%), 0 distinct",
    ]
    assert found["citations"] == ["citations kept: 3", "citations dropped, outside the landscape: 1"]
    assert found["queries"] == [
        "queries: 2 queries with a relevant family (cited), 3 citation pairs",
        "relevant pairs by domain: 1 in, 0 out, 2 unknown",
        "queries with such: 1 in, 0 out, 2 unknown; 0 both in and out",
    ]
    assert found["how it was read"] == ["odd: 3"]


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        (["topic:a", "use:b"], "levels of labels: topic (own-topic), use (own-use)"),
        (["topic:a", "b"], "labels without LEVEL: 1 of 2, such as b; so colons mean nothing"),
        (["a", "b"], ""),
    ],
)
def test_levels_of_labels_are_said(labels: list[str], line: str) -> None:
    assert [one for one in said(landscape({"labels": labels}))["codes and labels"] if "evel" in one.lower()] == (
        [line] if line else []
    )


# By seed 0 and fold 0: which of these families are test and dev queries.
SIXTY = [{"ipc": [f"{'AB'[number % 2]}01B1/00"]} for number in range(60)]


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (landscape({}, {}), "no citations: retrieval cannot be scored"),
        (landscape({}, cites=("az",)), "none of the 1 cited ids is a family of the landscape: retrieval cannot"),
        (landscape({}, {}), "no codes or labels: classification and clustering cannot be scored"),
        (landscape({"ipc": ["A01B1/00"]}), "one code or label only: there is nothing to classify"),
        (landscape({"ipc": ["A01B1/00"]}), "its dev and test splits: classification cannot be scored"),
        (landscape(*[{"abstract": "x"}] * 12, cites=("ab", "cd", "ef", "gh", "ij", "kl")), "no IPC codes or domains:"),
    ],
)
def test_what_cannot_be_scored_has_its_reason(raw: Raw, line: str) -> None:
    assert [one for one in said(raw)["what can be scored"] if line in one], said(raw)["what can be scored"]


def test_what_is_judged_is_said_with_what_counts_for_nothing() -> None:
    """A threshold that some query does not reach; codes of a query where families have domains; IN, OUT by no side."""
    asked = tables.typed(
        pd.DataFrame([("q", "a pump", ["A01B"], ""), ("r", "a lamp", [], "")], columns=[*ASKED.columns]), ASKED
    )
    judged = pd.DataFrame([("q", "a", 1, ""), ("r", "b", 2, "")], columns=[*RELATIONS.columns])
    raw = replace(landscape({"domains": ["pumps"]}, {}), queries=asked, relations=judged)
    found = grouped(held(raw, "judged", 0, 0, threshold=2))
    assert found["queries"][-2:] == [
        "of grade 2 or more, which R@100, AP and RR count: 1 pairs; 1 queries have none and score 0 there",
        "queries with codes, which say nothing as the families have domains: 1",
    ]
    assert [one for one in found["what can be scored"] if one.startswith("of no query and relevant family both have")]


def test_show_says_what_was_counted_when_the_landscape_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path, monkeypatch)
    tables.write(assemble(families(2), []).families, layout.families("sim-alpha"), FAMILIES)
    tables.write(tables.empty(CITATIONS), layout.citations("sim-alpha"), CITATIONS)
    tables.write(tables.empty(RELATIONS), layout.relations("sim-alpha"), RELATIONS)
    notes = {"citations dropped, outside the landscape": 7, "cited ids that look unlike family ids": "7, such as 'f1'"}
    write_json(layout.cost("download", "sim-alpha"), {"seconds": 1.0, "notes": notes})
    landscape_stage.show("sim-alpha")
    out = capsys.readouterr().out
    assert "none of the 7 cited ids is a family of the landscape: retrieval cannot be scored" in out
    assert "cited ids that look unlike family ids: 7, such as 'f1'" in out and "no citations" not in out


# Near-duplicates.


def shared(one: str, two: str) -> float:
    """Windows of 32 letters that two texts share, by sets of strings: independent of any hash."""
    sets = []
    for text in (one, two):
        letters = "".join(sign for sign in text.lower() if sign.isalnum())
        sets.append({letters[at : at + 32] for at in range(len(letters) - 31)})
    return len(sets[0] & sets[1]) / max(len(sets[0] | sets[1]), 1)


def test_near_duplicates_are_those_that_share_most_windows() -> None:
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 9))) for _ in range(400)]
    texts = [" ".join(rng.choices(words, k=120)) for _ in range(300)]
    for number in range(0, 200, 2):  # a copy of the one before with up to nine words changed
        changed = texts[number].split()
        for _ in range(number // 20):
            changed[rng.randrange(120)] = rng.choice(words)
        texts[number + 1] = " ".join(changed).capitalize() + "."
    found = set(near(texts))
    assert all(shared(texts[one], texts[two]) > 0.6 for one, two in found)
    alike = [(number, number + 1) for number in range(0, 200, 2) if shared(texts[number], texts[number + 1]) > 0.8]
    assert len(alike) > 20 and len(found & set(alike)) >= 0.95 * len(alike)
    apart = [number for number in range(0, 200, 2) if shared(texts[number], texts[number + 1]) < 0.6]
    assert len(apart) > 10 and not found & {(number, number + 1) for number in apart}


def test_signs_and_case_make_texts_alike_and_the_same_text_is_not_near() -> None:
    text = "A pump with a valve that opens where the pressure of the fluid in the chamber rises " * 4
    assert near([text, text.upper().replace(" ", ", "), text]) == [(0, 1)]
    assert near([text, text]) == [] and near(["a pump"] * 2 + [""]) == [] and near([]) == []
    other = "温室用換気フラップ用棟ヒンジ材の製造方法及び装置に関する発明であって、高温の空気を排出する" * 3
    assert near([other, other[:-1] + "た"]) == [(0, 1)]
