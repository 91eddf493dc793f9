"""A cell of the packaged model on a simulated landscape, stage by stage: what was planted comes out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import ir_measures
import numpy as np
import pandas as pd
import pytest
import started
import workspaces
import yaml

from patent_embeddings.core import layout, tables
from patent_embeddings.corpus.schemas import LABELS, POOL, QRELS, QUERIES
from patent_embeddings.evaluation.schemas import SCORES
from patent_embeddings.retrieval import fusion
from patent_embeddings.retrieval.schemas import FUSION, RUN

pytestmark = pytest.mark.pipeline

L = "sim-alpha"
stages = partial(started.stages, L)
BEFORE = ("check", "download", "views", "tasks", "lengths", "pairs", "finetune")
AFTER = ("embed", "bm25", "search", "fuse", "rerank", "metrics")
METRICS = ("nDCG@10", "nDCG@100", "R@100", "AP", "RR")


def ranked(system: str) -> pd.DataFrame:
    """The run of a system; of an oracle, which has none, made of both legs."""
    if not system.startswith("oracle-"):
        return tables.read(layout.run(L, system), RUN)
    method, table = system.removeprefix("oracle-"), tables.read(layout.fusion(L), FUSION)
    value = table.loc[(table["method"] == method) & table["oracle"], "value"].iloc[0]
    named = ("queries", QUERIES), ("pool", POOL)
    ids = (tables.read(layout.task(L, name), kind).iloc[:, 0].tolist() for name, kind in named)
    legs = fusion.legs((tables.parts(layout.run(L, leg), RUN) for leg in ("bm25", "dense")), *ids, 1000)
    return pd.concat([part[method] for part in fusion.fused(legs, {method: float(value)}, 1000)])


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with every table of the zero-shot cell on 250 families; beside it `ta` with the runs of that view."""
    folder = tmp_path_factory.mktemp("cell") / "tac"
    folder.mkdir()
    workspaces.prepare(folder)
    workspaces.change(folder, recipe="zero-shot", landscape=L, evaluate_on=[L])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        registry = layout.registry("landscapes")
        blocks = yaml.safe_load(registry.read_text(encoding="utf-8"))
        blocks[L]["families"] = 250
        registry.write_text(yaml.safe_dump(blocks), encoding="utf-8")
        stages(*BEFORE)
        other = folder.with_name("ta")
        shutil.copytree(folder, other)
        workspaces.change(other, query_view="ta", document_view="ta")
        stages(*AFTER)
        patch.chdir(other)
        stages("check", "embed", "bm25", "search")
        patch.chdir(folder)
        yield folder


@pytest.fixture
def scores(cell: Path) -> pd.Series:
    frame = tables.read(layout.scores(L), SCORES)
    return frame.set_index(["task", "system", "scope", "metric"])["value"]


def measured(run: pd.DataFrame, qrels: pd.DataFrame, queries: list[str], metrics: tuple[str, ...]) -> dict[str, float]:
    """Means over the queries by ir-measures, from a run and judgements alone; ranks decide."""
    judged = qrels[qrels["query_id"].isin(queries)]
    found = run[run["query_id"].astype("str").isin(queries)].astype({"query_id": "str", "family_id": "str"})
    values = ir_measures.iter_calc(
        [ir_measures.parse_measure(metric) for metric in metrics],
        judged.rename(columns={"family_id": "doc_id"})[["query_id", "doc_id", "relevance"]],
        found.rename(columns={"family_id": "doc_id"}).assign(score=-found["rank"].astype("float64"))[
            ["query_id", "doc_id", "score"]
        ],
    )
    sums = dict.fromkeys(metrics, 0.0)
    for value in values:
        sums[str(value.measure)] += value.value
    return {metric: total / len(queries) for metric, total in sums.items()}


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
    for (system, scope), found in scores.loc["retrieval"].groupby(["system", "scope"]):
        judged = qrels if scope == "all" else qrels[qrels["scope"] == scope.removesuffix("-paired")]
        run = ranked(system)
        expected = measured(run, judged, sorted(asked[scope]), METRICS)
        assert found.droplevel(["system", "scope"]).to_dict() == pytest.approx(expected, abs=1e-9), (system, scope)
        compared += len(found)
    assert compared == 6 * 5 * 5


@pytest.mark.parametrize("system", ["bm25", "dense", "rrf", "interpolation"])
def test_out_is_below_in_on_the_same_queries(system: str, scores: pd.Series) -> None:
    found = scores["retrieval", system]
    assert found["out-paired", "nDCG@10"] < 0.6 * found["in-paired", "nDCG@10"]


@pytest.fixture(scope="module")
def by_view(cell: Path) -> dict[tuple[str, str, str], float]:
    """nDCG@10 over all queries by view, system and scope; `chance` ranks at random."""
    qrels = tables.read(layout.task(L, "qrels"), QRELS)
    found = {}
    for view in ("tac", "ta"):
        for system in ("bm25", "dense"):
            run = tables.read(cell.with_name(view) / layout.run(L, system), RUN)
            for scope in ("all", "in", "out"):
                judged = qrels if scope == "all" else qrels[qrels["scope"] == scope]
                queries = sorted(set(judged["query_id"]))
                found[view, system, scope] = measured(run, judged, queries, ("nDCG@10",))["nDCG@10"]
    # The last run in another order.
    shuffled = run.assign(rank=run.groupby("query_id")["rank"].transform(np.random.default_rng(0).permutation))
    found["ta", "chance", "out"] = measured(shuffled, judged, queries, ("nDCG@10",))["nDCG@10"]
    return found


def test_claims_add_to_title_and_abstract(by_view: dict[tuple[str, str, str], float]) -> None:
    assert by_view["tac", "bm25", "all"] > by_view["ta", "bm25", "all"] + 0.02
    assert by_view["tac", "dense", "all"] > by_view["ta", "dense", "all"] + 0.03


def test_the_packaged_model_finds_outside_less_than_inside_and_more_than_chance(
    by_view: dict[tuple[str, str, str], float],
) -> None:
    assert by_view["tac", "dense", "out"] < 0.6 * by_view["tac", "dense", "in"]
    assert by_view["tac", "dense", "out"] > 2 * by_view["ta", "chance", "out"]


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
    queries = tables.read(layout.task(L, "queries"), QUERIES)[["query_id", "split"]]
    queries = queries.rename(columns={"query_id": "family_id"})
    assert pd.concat([labels, pool, queries]).drop_duplicates()["family_id"].is_unique
