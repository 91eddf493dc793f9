from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from started import start

from patent_embeddings.core import layout, tables
from patent_embeddings.corpus import families, judgements, splits
from patent_embeddings.corpus import labels as labels_
from patent_embeddings.corpus import pool as pool_
from patent_embeddings.corpus.schemas import ASKED, LABELS, POOL, QRELS, QUERIES, RELATIONS
from patent_embeddings.corpus.schemas import CITATIONS as CITATIONS_TABLE
from patent_embeddings.corpus.schemas import FAMILIES as FAMILIES_TABLE


def frame(rows: dict[str, list[str]]) -> pd.DataFrame:
    return families.frame({"family_id": name, "ipc": ipc, "labels": ["x"]} for name, ipc in rows.items())


FAMILIES = frame({"q": ["A01B1/00", "H04L9/40"], "same": ["A01C3/00"], "other": ["B60K11/04"], "none": []})
CITATIONS = pd.DataFrame({"citing_id": ["q", "q", "q", "same"], "cited_id": ["same", "other", "none", "q"]})


def test_scopes_follow_shared_ipc_classes() -> None:
    judged = judgements.judgements(CITATIONS, FAMILIES, "cited")
    assert judged.to_dict("list") == {
        "query_id": ["q", "q", "q", "same"], "family_id": ["none", "other", "same", "q"],
        "relevance": [1, 1, 1, 1], "scope": ["unknown", "out", "in", "in"],
    }  # fmt: skip


def test_linked_relevance_goes_both_ways_once() -> None:
    judged = judgements.judgements(CITATIONS, FAMILIES, "linked")
    pairs = set(zip(judged["query_id"], judged["family_id"], strict=True))
    assert pairs == {("q", "same"), ("same", "q"), ("q", "other"), ("other", "q"), ("q", "none"), ("none", "q")}
    assert len(judged) == len(pairs)


def test_five_folds_make_each_family_a_test_family_once() -> None:
    names = [f"F-{i}" for i in range(2000)]
    folds = [splits.split_of(names, 0, fold) for fold in range(5)]
    assert all(sum(fold[name] == "test" for fold in folds) == 1 for name in names)
    shares = pd.Series(folds[0]).value_counts(normalize=True)
    assert abs(shares["test"] - 0.2) < 0.03 and abs(shares["dev"] - 0.1) < 0.03


def test_split_is_a_hash_of_seed_and_id_alone() -> None:
    names = [f"F-{i}" for i in range(100)]
    buckets = [int.from_bytes(hashlib.sha256(f"7:{name}".encode()).digest()[:8], "big") % 10 for name in names]
    assert set(buckets) == set(range(10))
    for fold, told in ((1, {2: "test", 3: "test", 4: "dev"}), (4, {8: "test", 9: "test", 0: "dev"})):
        found = splits.split_of(names, 7, fold)
        assert [found[name] for name in names] == [told.get(bucket, "train") for bucket in buckets]
        assert splits.split_of(names[:20:-1], 7, fold) == {name: found[name] for name in names[:20:-1]}


def test_label_sets_are_prefixes_in_order_of_first_appearance() -> None:
    labels = labels_.label_sets(frame({"q": ["H04L9/40", "A01B1/00", "H04W4/00", "A01"]}), {"q": "train"})
    by_set = {name: list(values) for name, values in zip(labels["label_set"], labels["labels"], strict=True)}
    assert by_set == {
        "ipc-section": ["H", "A"],
        "ipc-class": ["H04", "A01"],
        "ipc-subclass": ["H04L", "A01B", "H04W"],
        "own": ["x"],
    }


def test_a_family_that_the_source_gives_as_query_only_is_not_ranked() -> None:
    relations = pd.DataFrame(
        {"query_id": ["q", "same"], "family_id": ["same", "other"], "relevance": [1, 0], "scope": ["in", "unknown"]}
    )
    pool = pool_.pool(FAMILIES, relations, tables.empty(ASKED), splits.split_of(FAMILIES["family_id"], 0, 0))
    assert dict(zip(pool["family_id"], pool["ranked"], strict=True)) == {
        "q": False,
        "same": True,
        "other": True,
        "none": True,
    }


def test_what_is_earlier_is_earlier_than_the_priority_or_the_publication_where_that_is_unknown() -> None:
    rows = [
        ("a", "2000-01-01", ""),
        ("b", "2001-06-01", "1999-12-31"),
        ("c", "2001-01-01", "2000-06-01"),
        ("d", "", ""),
    ]
    found = families.frame({"family_id": name, "date": date, "priority": before} for name, date, before in rows)
    pool = pool_.pool(found, tables.empty(RELATIONS), tables.empty(ASKED), splits.split_of(found["family_id"], 0, 0))
    assert pool["before"].tolist() == ["2000-01-01", "1999-12-31", "2000-06-01", ""]
    open_ = pool_.candidates(list("abcd"), list("abcd"), pool, earlier=True)
    reach = {(q, f) for i, q in enumerate("abcd") for j, f in enumerate("abcd") if open_.born[j] < open_.before[i]}
    assert reach == {("c", "a")}
    queries = pd.DataFrame({"query_id": ["a", "b", "d"], "split": "test"})
    said = pool_.limits(
        pd.DataFrame({"query_id": [], "family_id": [], "relevance": []}), np.array([], bool), queries, pool
    )
    assert said[0].startswith("1 of 2 queries with a date have no priority date")


def test_the_stage_writes_the_tables_of_a_landscape(workspace: Path) -> None:
    tables.write(FAMILIES, layout.families("sim-alpha"), FAMILIES_TABLE)
    tables.write(CITATIONS.assign(category=""), layout.citations("sim-alpha"), CITATIONS_TABLE)
    tables.write(tables.empty(RELATIONS), layout.relations("sim-alpha"), RELATIONS)
    tables.write(tables.empty(ASKED), layout.queries("sim-alpha"), ASKED)
    start("tasks", "sim-alpha")
    assert len(tables.read(layout.task("sim-alpha", "qrels"), QRELS)) == 4
    assert tables.read(layout.task("sim-alpha", "queries"), QUERIES)["query_id"].tolist() == ["q", "same"]
    assert tables.read(layout.task("sim-alpha", "pool"), POOL)["ranked"].tolist() == [True] * 4
    assert set(tables.read(layout.task("sim-alpha", "labels"), LABELS)["label_set"]) == {
        "ipc-section", "ipc-class", "ipc-subclass", "own",
    }  # fmt: skip


def test_what_is_no_code_is_no_label() -> None:
    rows = frame({"q": ["nan", "['A", "INT", "[", "a 01 b 1/00"], "same": ["Int. Cl.7 A01C 3/00"]})
    judged = judgements.judgements(pd.DataFrame({"citing_id": ["q"], "cited_id": ["same"]}), rows, "cited")
    assert judged["scope"].tolist() == ["in"]
    labels = labels_.label_sets(rows, {"q": "train", "same": "test"}).set_index(["label_set", "family_id"])["labels"]
    assert labels["ipc-section", "q"] == ["A"] and labels["ipc-class", "q"] == ["A01"]
    assert labels["ipc-subclass", "q"] == ["A01B"] and labels["ipc-subclass", "same"] == ["A01C"]
