"""Exported datasets, read by the libraries that they are for and by hand, give our texts and our scores."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import handed
import ir_measures
import numpy as np
import pandas as pd
import pytest
import yaml
from handed import L

from patent_embeddings.core import layout, params, registry, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.ids import places
from patent_embeddings.core.vectors import QUERY_ROWS
from patent_embeddings.corpus.pool import reachable
from patent_embeddings.corpus.schemas import POOL, QRELS, QUERIES, VIEW
from patent_embeddings.handover import dataset, vectors
from patent_embeddings.handover.exported_cell import subject
from patent_embeddings.retrieval.schemas import RUN
from stages import export as export_stage


@pytest.fixture
def cell(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    here = workspace / "cell"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def exported(here: Path, **changed: Any) -> Path:
    handed.write(here, **changed)
    out = here / "exports/dataset" / L
    dataset.write(out, L, subject(params.load()))
    return out


def beir(folder: Path, split: str) -> tuple[dict[str, Any], dict[str, str], dict[str, dict[str, int]]]:
    """Corpus, queries and judgements as BEIR's loader makes them of the files, line by line."""
    corpus = {}
    for line in (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        corpus[row["_id"]] = {"text": row["text"], "title": row["title"]}
    lines = (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    queries = {row["_id"]: row["text"] for row in map(json.loads, lines)}
    judged: dict[str, dict[str, int]] = {}
    with (folder / "qrels" / f"{split}.tsv").open(encoding="utf-8") as file:
        reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_MINIMAL)
        next(reader)
        for query, document, score in reader:
            judged.setdefault(query, {})[document] = int(score)
    return corpus, {query: queries[query] for query in judged}, judged


def split_of(name: str) -> set[str]:
    queries = tables.read(layout.task(L, "queries"), QUERIES)
    return set(queries.loc[queries["split"] == name, "query_id"])


def test_beirs_files_hold_the_views_and_identical_ids_are_the_own_family(cell: Path) -> None:
    folder = exported(cell, query_view="ta") / "beir"
    pool = tables.read(layout.task(L, "pool"), POOL)
    views = {name: tables.read(layout.view(L, name), VIEW).set_index("family_id")["text"] for name in ("ta", "tac")}
    qrels = tables.read(layout.task(L, "qrels"), QRELS)
    for split in ("dev", "test"):
        corpus, queries, judged = beir(folder, split)
        assert set(corpus) == set(pool.loc[pool["ranked"], "family_id"])
        assert all(one == {"title": "", "text": views["tac"][name]} for name, one in corpus.items())
        assert set(queries) == split_of(split)
        assert queries == {name: views["ta"][name] for name in queries}
        ours = qrels[qrels["query_id"].isin(queries)]
        flat = {(query, name): score for query, rows in judged.items() for name, score in rows.items()}
        assert flat == {(row.query_id, row.family_id): row.relevance for row in ours.itertuples()}
    assert set(corpus) & set(queries)
    assert not (folder / "qrels/train.tsv").exists()  # no judged query of that split


@pytest.mark.parametrize("pool", ["all", "earlier"])
def test_ir_measures_gives_our_scores_from_the_files(cell: Path, pool: str) -> None:
    folder = exported(cell, tasks__pool=pool)
    _, _, judged = beir(folder / "beir", "test")
    run = [
        ir_measures.ScoredDoc(str(row.query_id), str(row.family_id), -float(row.rank))
        for row in tables.read(layout.run(L, "dense"), RUN).itertuples()
    ]
    rows = pd.read_parquet(folder / "qrels/test.parquet")
    assert rows[["query-id", "corpus-id", "score"]].values.tolist() == [
        [query, name, score] for query, found in judged.items() for name, score in found.items()
    ]
    within = reachable(tables.read(layout.task(L, "qrels"), QRELS), tables.read(layout.task(L, "pool"), POOL),
                       earlier=pool == "earlier")  # fmt: skip
    ours = handed.scored(within)
    metrics = [ir_measures.parse_measure(name) for name in ("R@100", "nDCG@10")]
    theirs = ir_measures.calc_aggregate(metrics, judged, run)
    for metric in metrics:
        assert theirs[metric] == pytest.approx(ours.loc[("all", str(metric)), "mean"], abs=1e-9)
    assert len(judged) == ours.loc[("all", "R@100"), "size"]
    assert (len(judged) < len(split_of("test"))) == (pool == "earlier")
    scopes = tables.read(layout.task(L, "qrels"), QRELS).set_index(["query_id", "family_id"])["scope"]
    assert rows["scope"].tolist() == [
        scopes[query, name] for query, name in zip(rows["query-id"], rows["corpus-id"], strict=True)
    ]
    assert ("Only what is earlier is ranked" in (folder / "README.md").read_text()) == (pool == "earlier")


@pytest.mark.pipeline
def test_datasets_and_mteb_read_the_folder_offline(cell: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    from mteb.abstasks.retrieval_dataset_loaders import RetrievalDatasetLoader

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cell / "cache")
    folder = exported(cell)
    corpus, _, judged = beir(folder / "beir", "test")

    def load(name: str) -> Any:
        return datasets.load_dataset(str(folder), name, cache_dir=str(cell / "cache"))

    found = load("corpus")["corpus"]
    assert found.column_names == ["_id", "title", "text", "date"]
    assert {row["_id"]: row["text"] for row in found} == {name: one["text"] for name, one in corpus.items()}
    assert set(load("queries")["queries"]["_id"]) == split_of("test") | split_of("dev")
    for name in ("default", "qrels"):
        parts = load(name)
        assert set(parts) == {"dev", "test"}
        assert {(row["query-id"], row["corpus-id"], row["score"]) for row in parts["test"]} == {
            (query, document, score) for query, rows in judged.items() for document, score in rows.items()
        }
    theirs = RetrievalDatasetLoader(str(folder), revision="main", split="test").load()
    assert theirs["relevant_docs"] == judged
    assert set(theirs["queries"]["id"]) == set(judged) and set(theirs["corpus"]["id"]) == set(corpus)
    assert set(theirs["corpus"]["title"]) == {""}


def test_the_card_says_licence_source_and_what_is_relevant(cell: Path) -> None:
    text = (exported(cell) / "README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    read = yaml.safe_load(front)
    assert read["license_name"] == "CC0-1.0" and [one["config_name"] for one in read["configs"]][:2] == [
        "corpus",
        "queries",
    ]
    assert "Simulated landscape" in body and "in view tac" in body
    assert "seed-1-families-600" in body and "a family that the query cites" in body and "same id" in body
    assert "redistributes" not in body
    blocks = yaml.safe_load(layout.registry("landscapes").read_text(encoding="utf-8"))
    blocks[L] = blocks["dapfam"]
    layout.registry("landscapes").write_text(yaml.safe_dump(blocks), encoding="utf-8")
    registry._read.cache_clear()
    dataset.write(cell / "other", L, subject(params.load()))
    registry._read.cache_clear()
    text = (cell / "other/README.md").read_text(encoding="utf-8")
    assert "license_name: CC BY-NC-SA 4.0" in text and "CC BY-NC-SA 4.0. Texts and judgements are those of" in text
    assert "never redistributes" in text and "not for commercial use" in text and "Simulated" not in text
    assert "cites or is cited by" in text


def test_the_same_bytes_again_and_another_folder_is_left_alone(cell: Path) -> None:
    folder = exported(cell)
    before = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    dataset.write(folder, L, subject(params.load()))
    assert {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    (cell / "mine").mkdir()
    (cell / "mine/thesis.txt").write_text("x")
    with pytest.raises(UserError, match="holds no dataset of an earlier export"):
        dataset.write(cell / "mine", L, subject(params.load()))
    assert [path.name for path in (cell / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("kind", ["dataset", "vectors"])
def test_a_landscape_that_is_no_longer_evaluated_leaves_the_exports(
    cell: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed.write(cell)
    monkeypatch.setattr("patent_embeddings.grid.freshness.require_current", lambda *_: None)
    getattr(export_stage, kind)(cell / "out")
    for name in ("gone", "noted"):
        shutil.copytree(cell / "out" / L, cell / "out" / name)
    (cell / "out/noted/mine.txt").write_text("x")
    (cell / "out/theirs").mkdir()
    (cell / "out/theirs/README.md").write_text("x")
    getattr(export_stage, kind)(cell / "out")
    assert {path.name for path in (cell / "out").iterdir()} == {L, "noted", "theirs"}
    assert [path.name for path in (cell / "out/noted").iterdir()] == ["mine.txt"]
    assert (cell / "out/theirs/README.md").exists() and len(list((cell / "out" / L).iterdir())) > 3


def test_questions_that_are_no_families_are_asked_in_their_own_words(cell: Path) -> None:
    handed.write(cell)
    queries, pool = tables.read(layout.task(L, "queries"), QUERIES), tables.read(layout.task(L, "pool"), POOL)
    qrels = tables.read(layout.task(L, "qrels"), QRELS)
    old = queries["query_id"].iloc[2]
    for table, column in ((queries, "query_id"), (qrels, "query_id")):
        table[column] = table[column].replace(old, "topic-1")
    queries.loc[places(["topic-1"], queries["query_id"]), "text"] = "valves that close"
    more = pd.DataFrame(
        [{"family_id": "topic-1", "date": "", "before": "2020-01-01", "split": "test", "ranked": False}]
    )
    tables.write(pd.concat([pool, more]).sort_values("family_id"), layout.task(L, "pool"), POOL)
    tables.write(queries.sort_values("query_id"), layout.task(L, "queries"), QUERIES)
    tables.write(qrels.sort_values(["query_id", "family_id"]), layout.task(L, "qrels"), QRELS)
    dataset.write(cell / "out", L, subject(params.load()))
    corpus, asked, _ = beir(cell / "out/beir", "test")
    assert asked["topic-1"] == "valves that close" and "topic-1" not in corpus and old in corpus
    found = pd.read_parquet(cell / "out/queries.parquet").set_index("_id")
    assert found.loc["topic-1", "date"] == "2020-01-01"


def test_a_landscape_that_nobody_asks_of_is_handed_over_without_scores(cell: Path) -> None:
    handed.write(cell)
    for name, table in (("queries", QUERIES), ("qrels", QRELS)):
        tables.write(tables.read(layout.task(L, name), table).head(0), layout.task(L, name), table)
    np.save(layout.vectors(L, "queries"), np.load(layout.vectors(L, "queries"))[:0])
    path = layout.vector_ids(L, "queries")
    tables.write(tables.read(path, QUERY_ROWS).head(0), path, QUERY_ROWS)
    dataset.write(cell / "out", L, subject(params.load()))
    _, front, body = (cell / "out/README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert [one["config_name"] for one in yaml.safe_load(front)["configs"]] == ["corpus", "queries"]
    assert "Judgements" not in body and len(pd.read_parquet(cell / "out/corpus.parquet")) == 37
    handed.measure()
    vectors.write(cell / "vectors", L, subject(params.load()))
    assert pd.read_csv(cell / "vectors/losses.csv").empty
    assert "Nothing was measured: no test query" in (cell / "vectors/README.md").read_text(encoding="utf-8")
    assert (cell / "vectors/int8.faiss").exists()
