"""A cell of the packaged model on a simulated landscape, stage by stage: what was planted comes out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ir_measures
import pandas as pd
import pytest
import yaml
from conftest import ROOT

from patent_embeddings.core import layout, tables
from patent_embeddings.corpus.schemas import LABELS, POOL, QRELS, QUERIES
from patent_embeddings.evaluation.schemas import SCORES
from patent_embeddings.retrieval.schemas import RUN

pytestmark = pytest.mark.pipeline

L = "sim-alpha"
STAGES = (
    "download",
    "views",
    "tasks",
    "lengths",
    "pairs",
    "finetune",
    "embed",
    "bm25",
    "search",
    "fuse",
    "rerank",
    "metrics",
)


def stage(name: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-P", "-m", f"stages.{name}", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with every table of the zero-shot cell on 400 families, and the BM25 run of view `ta` in `ta/`."""
    folder = tmp_path_factory.mktemp("cell")
    shutil.copytree(ROOT / "registry", folder / "registry")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        params |= {"recipe": "zero-shot", "landscape": L, "evaluate_on": [L]}
        registry = folder / layout.registry("landscapes")
        blocks = yaml.safe_load(registry.read_text(encoding="utf-8"))
        blocks[L]["families"] = 400
        registry.write_text(yaml.safe_dump(blocks), encoding="utf-8")
        layout.PARAMS.write_text(yaml.safe_dump(params), encoding="utf-8")
        stage("check")
        for name in STAGES:
            stage(name, *([] if name in ("pairs", "finetune") else [L]))
        tac = layout.run(L, "bm25").read_bytes()
        layout.PARAMS.write_text(yaml.safe_dump(params | {"query_view": "ta", "document_view": "ta"}), encoding="utf-8")
        stage("bm25", L)
        Path("ta").mkdir()
        layout.run(L, "bm25").rename("ta/bm25.parquet")
        layout.run(L, "bm25").write_bytes(tac)
        yield folder


@pytest.fixture
def scores(cell: Path) -> pd.Series:
    frame = tables.read(layout.scores(L), SCORES)
    return frame.set_index(["task", "system", "scope", "metric"])["value"]


def measured(run: pd.DataFrame, qrels: pd.DataFrame, queries: list[str], metric: str) -> float:
    """Mean over the queries by ir-measures, from a run and judgements alone; ranks decide."""
    judged = qrels[qrels["query_id"].isin(queries)]
    found = run[run["query_id"].astype("str").isin(queries)].astype({"query_id": "str", "family_id": "str"})
    measure = ir_measures.parse_measure(metric)
    values = ir_measures.iter_calc(
        [measure],
        judged.rename(columns={"family_id": "doc_id"})[["query_id", "doc_id", "relevance"]],
        found.rename(columns={"family_id": "doc_id"}).assign(score=-found["rank"].astype("float64"))[
            ["query_id", "doc_id", "score"]
        ],
    )
    return sum(value.value for value in values) / len(queries)


def test_every_retrieval_score_is_what_ir_measures_gives_from_run_and_qrels_alone(scores: pd.Series) -> None:
    qrels = tables.read(layout.task(L, "qrels"), QRELS)
    queries = tables.read(layout.task(L, "queries"), QUERIES)
    test = set(queries.loc[queries["split"] == "test", "query_id"])
    asked = {
        scope: test & set(qrels.loc[qrels["scope"].eq(scope) | (scope == "all"), "query_id"])
        for scope in ("all", "in", "out")
    }
    asked |= {f"{scope}-paired": asked["in"] & asked["out"] for scope in ("in", "out")}
    compared = 0
    for (_, system, scope, metric), value in scores.loc[["retrieval"]].items():
        judged = qrels if scope == "all" else qrels[qrels["scope"] == scope.removesuffix("-paired")]
        run = tables.read(layout.run(L, system), RUN)
        assert value == pytest.approx(measured(run, judged, sorted(asked[scope]), metric), abs=1e-9), (
            system,
            scope,
            metric,
        )
        compared += 1
    assert compared == 6 * 5 * 5


@pytest.mark.parametrize("system", ["bm25", "dense", "rrf", "interpolation"])
def test_out_is_below_in_on_the_same_queries(system: str, scores: pd.Series) -> None:
    found = scores["retrieval", system]
    assert found["out-paired", "nDCG@10"] < 0.6 * found["in-paired", "nDCG@10"]


def test_claims_add_to_title_and_abstract(cell: Path) -> None:
    qrels = tables.read(layout.task(L, "qrels"), QRELS)
    queries = tables.read(layout.task(L, "queries"), QUERIES)["query_id"].tolist()
    with_claims = measured(tables.read(layout.run(L, "bm25"), RUN), qrels, queries, "nDCG@10")
    without = measured(tables.read(Path("ta/bm25.parquet"), RUN), qrels, queries, "nDCG@10")
    assert with_claims > without + 0.02


def test_labels_are_told_better_than_by_their_frequency(scores: pd.Series) -> None:
    for label_set in ("ipc-section", "ipc-class", "ipc-subclass", "own"):
        for metric in ("micro-F1", "LRAP"):
            floor = scores["classification", "prior", label_set, metric]
            assert scores["classification", "probe", label_set, metric] > floor + 0.1
            assert scores["classification", "knn", label_set, metric] > floor + 0.1


def test_clusters_follow_the_codes_and_random_vectors_do_not(scores: pd.Series) -> None:
    for metric in ("AMI", "ARI"):
        assert abs(scores["clustering", "random", "ipc-class", metric]) < 0.05
        assert scores["clustering", "kmeans", "ipc-class", metric] > 0.1


def test_no_family_is_in_two_splits(cell: Path) -> None:
    labels = tables.read(layout.task(L, "labels"), LABELS)[["family_id", "split"]]
    pool = tables.read(layout.task(L, "pool"), POOL)[["family_id", "split"]]
    queries = tables.read(layout.task(L, "queries"), QUERIES).rename(columns={"query_id": "family_id"})
    assert pd.concat([labels, pool, queries]).drop_duplicates()["family_id"].is_unique


def test_the_page_shows_no_second_stage_where_none_was_chosen(cell: Path) -> None:
    stage("report")
    page = (cell / layout.PAGE).read_text(encoding="utf-8")
    assert "A worked example" in page and "<h4>interpolation</h4>" in page
    assert "<h4>reranked</h4>" not in page
