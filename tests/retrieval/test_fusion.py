"""Fusion against pyserini's, and its tuning against ir-measures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pandas as pd
import pytest
import queried
from started import resolve, start

from patent_embeddings.core import layout, tables
from patent_embeddings.core.params import Fuse
from patent_embeddings.corpus.schemas import POOL, QRELS
from patent_embeddings.corpus.schemas import QUERIES as QUERIES_TABLE
from patent_embeddings.evaluation.schemas import ORACLES
from patent_embeddings.retrieval import fusion, fusion_settings
from patent_embeddings.retrieval.ranking import frame
from patent_embeddings.retrieval.schemas import FUSION, RUN

L = "sim-alpha"
FAMILIES = [f"f{i:02d}" for i in range(40)]
QUERIES = pd.DataFrame({"query_id": [f"q{i}" for i in range(12)], "split": ["train", "dev", "dev", "test"] * 3})
ASKED = QUERIES["query_id"].tolist()
SETTINGS = Fuse(metric="nDCG@10", rrf_k=[10, 30, 60, 100], weights=[0.0, 0.25, 0.5, 0.75, 1.0], depth=1000)


def run(seed: int, found: int = 25) -> pd.DataFrame:
    """A random run; q3 has no result, q5 only one, all scores of q7 are equal."""
    rng = np.random.default_rng(seed)
    scores = np.full((len(ASKED), found), -np.inf, np.float32)
    rows = np.full((len(ASKED), found), -1)
    for query, kept in enumerate([found, found, found, 0, found, 1, *[found] * 6]):
        scores[query, :kept] = -np.sort(-rng.gamma(2, 3, kept))
        rows[query, :kept] = rng.permutation(len(FAMILIES))[:kept]
    scores[7], rows[7] = 4.5, np.sort(rows[7])
    return frame(ASKED, FAMILIES, scores, rows).astype({"query_id": "str", "family_id": "str"})


def qrels(seed: int = 9) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [(query, family, 1, "in") for query in ASKED for family in rng.choice(FAMILIES, 4, replace=False)]
    return pd.DataFrame(rows, columns=["query_id", "family_id", "relevance", "scope"])


def legs(bm25: pd.DataFrame, dense: pd.DataFrame, depth: int = 1000) -> fusion.Legs:
    return fusion.legs(([bm25], [dense]), ASKED, FAMILIES, depth)


def fused(legs: fusion.Legs, method: str, value: fusion.Setting, depth: int) -> pd.DataFrame:
    return pd.concat([part[method] for part in fusion.fused(legs, {method: value}, depth)], ignore_index=True)


def trec(run: pd.DataFrame) -> Any:
    from pyserini.trectools import TrecRun

    made = TrecRun()
    made.run_data = pd.DataFrame(
        {"topic": run["query_id"], "q0": "Q0", "docid": run["family_id"], "rank": run["rank"],
         "score": run["score"].astype("float64"), "tag": "x"}
    )  # fmt: skip
    return made


def same(mine: pd.DataFrame, theirs: Any) -> None:
    """The same families with the same scores, at the same ranks once the last bits of float64 are dropped."""
    mine = mine.astype({"query_id": "str", "family_id": "str"})
    expected = theirs.run_data.rename(columns={"topic": "query_id", "docid": "family_id"})
    expected = expected.assign(score=expected["score"].astype("float32"))
    expected = expected.sort_values(["query_id", "score", "family_id"], ascending=[True, False, True])
    expected["rank"] = expected.groupby("query_id").cumcount() + 1
    both = mine.merge(expected, on=["query_id", "family_id"], how="outer", suffixes=("", "_theirs"))
    assert len(both) == len(mine) == len(expected)
    assert np.allclose(both["score"], both["score_theirs"], rtol=1e-6, atol=1e-9)
    assert (both["rank"] == both["rank_theirs"]).all()


@pytest.mark.parametrize("depth", [1000, 10, 1])
@pytest.mark.parametrize("k", [10.0, 60.0])
def test_rrf_is_pyserinis(k: float, depth: int) -> None:
    from pyserini.fusion import reciprocal_rank_fusion

    bm25, dense = run(1), run(2)
    theirs = reciprocal_rank_fusion([trec(bm25), trec(dense)], rrf_k=int(k), depth=depth, k=depth)
    same(fused(legs(bm25, dense, depth), "rrf", k, depth), theirs)


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
def test_interpolation_is_pyserinis_after_its_min_max(weight: float) -> None:
    from pyserini.fusion import interpolation
    from pyserini.trectools import RescoreMethod

    bm25, dense = run(1), run(2, found=15)
    scaled = [trec(leg).rescore(RescoreMethod.NORMALIZE) for leg in (dense, bm25)]
    same(fused(legs(bm25, dense), "interpolation", weight, 1000), interpolation(scaled, alpha=weight))


def test_min_max_by_hand() -> None:
    gone = -np.inf
    scores = np.array([[4, 3, 2], [5, 5, gone], [7, gone, gone], [gone, gone, gone], [-1, -2, -5]], np.float32)
    assert fusion.min_max(scores).tolist() == [[1, 0.5, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0.75, 0]]


def test_missing_from_a_list_is_its_least() -> None:
    bm25 = pd.DataFrame({"query_id": "q0", "family_id": ["f01", "f02"], "rank": [1, 2], "score": np.float32([9, 3])})
    dense = pd.DataFrame(
        {"query_id": "q0", "family_id": ["f03", "f01", "f00"], "rank": [1, 2, 3], "score": np.float32([0.9, 0.7, 0.5])}
    )
    mixed = fused(legs(bm25, dense), "interpolation", 0.4, 1000)
    assert mixed["family_id"].tolist() == ["f01", "f03", "f00", "f02"]
    assert mixed["score"].tolist() == pytest.approx([0.6 + 0.4 * 0.5, 0.4, 0.0, 0.0])
    assert mixed["rank"].tolist() == [1, 2, 3, 4]


def test_the_fused_run_is_cut_at_the_depth_and_sound() -> None:
    mixed = fused(legs(run(1), run(2), 7), "rrf", 60.0, 7).astype({"query_id": "str", "family_id": "str"})
    assert mixed.groupby("query_id").size().max() == 7
    RUN.schema.validate(mixed)
    assert set(mixed["query_id"]) == set(ASKED) - {"q3"}


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fused(legs(run(1), run(2)), "interpolation", 0.3, 1000)
    tuned = fusion_settings.tune(legs(run(1), run(2)), qrels(), QUERIES, SETTINGS, label="test")
    monkeypatch.setattr(fusion, "_HELD", 1)
    pd.testing.assert_frame_equal(fused(legs(run(1), run(2)), "interpolation", 0.3, 1000), whole)
    again = fusion_settings.tune(legs(run(1), run(2)), qrels(), QUERIES, SETTINGS, label="test")
    pd.testing.assert_frame_equal(again.table, tuned.table)


@pytest.mark.parametrize("metric", ["nDCG@10", "nDCG@100", "R@100", "AP", "RR"])
def test_every_setting_scores_what_ir_measures_says(metric: str) -> None:
    asked = SETTINGS.model_copy(update={"metric": metric, "depth": 12})
    pair, judged = legs(run(1), run(2), 12), qrels()
    tuned = fusion_settings.tune(pair, judged, QUERIES, asked, label="test")
    assert len(tuned.table) == 2 * (4 + 5)
    gold = [
        ir_measures.Qrel(q, f, r)
        for q, f, r in zip(judged["query_id"], judged["family_id"], judged["relevance"], strict=True)
    ]
    split = dict(zip(QUERIES["query_id"], QUERIES["split"], strict=True))
    for row in tuned.table.itertuples():
        mixed = fused(pair, row.method, row.value, 12)
        hits = [
            ir_measures.ScoredDoc(q, f, -r)
            for q, f, r in zip(mixed["query_id"], mixed["family_id"], mixed["rank"], strict=True)
        ]
        values = [
            m.value
            for m in ir_measures.iter_calc([ir_measures.parse_measure(metric)], gold, hits)
            if split[m.query_id] == row.split
        ]
        # A query without a result is not among ir-measures' values where the run lacks it: it counts 0.
        assert row.score == pytest.approx(sum(values) / sum(split[q] == row.split for q in ASKED), abs=1e-12)
        assert row.metric == metric


def test_chosen_is_best_on_dev_and_oracle_best_on_test() -> None:
    tuned = fusion_settings.tune(legs(run(1), run(2)), qrels(), QUERIES, SETTINGS, label="test")
    for method, grid in (("rrf", SETTINGS.rrf_k), ("interpolation", SETTINGS.weights)):
        table = tuned.table[tuned.table["method"] == method]
        for split, flag, picked in (("dev", "chosen", tuned.chosen), ("test", "oracle", tuned.oracle)):
            scores = table[table["split"] == split].set_index("value")["score"]
            first = next(value for value in grid if scores[value] == scores.max())
            assert picked[method] == first
            assert set(table.loc[table[flag], "value"]) == {first}
            assert sorted(table.loc[table[flag], "split"]) == ["dev", "test"]
    assert tuned.on_dev


def test_what_test_says_does_not_move_the_choice() -> None:
    picks = set()
    oracles = set()
    for seed in range(4):
        judged = qrels()
        other = qrels(100 + seed)
        of_test = judged["query_id"].isin(QUERIES.loc[QUERIES["split"] == "test", "query_id"])
        judged.loc[of_test, "family_id"] = other.loc[of_test, "family_id"]
        tuned = fusion_settings.tune(legs(run(1), run(2)), judged, QUERIES, SETTINGS, label="test")
        picks.add(tuple(tuned.chosen.values()))
        oracles.add(tuple(tuned.oracle.values()))
    assert len(picks) == 1 < len(oracles)


def test_among_equals_the_first_of_the_grid() -> None:
    same_legs = legs(run(1), run(1))
    backwards = SETTINGS.model_copy(update={"rrf_k": [100, 30, 10], "weights": [0.75, 0.25]})
    tuned = fusion_settings.tune(same_legs, qrels(), QUERIES, backwards, label="test")
    assert tuned.chosen == tuned.oracle == {"rrf": 100.0, "interpolation": 0.75}


def test_without_dev_queries_fixed_values_are_used_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    judged = qrels()
    judged = judged[~judged["query_id"].isin(QUERIES.loc[QUERIES["split"] == "dev", "query_id"])]
    coarse = SETTINGS.model_copy(update={"rrf_k": [10], "weights": [0.0, 1.0]})
    tuned = fusion_settings.tune(legs(run(1), run(2)), judged, QUERIES, coarse, label="test")
    assert tuned.chosen == {"rrf": 60.0, "interpolation": 0.5} and not tuned.on_dev
    assert set(tuned.table["split"]) == {"test"}
    assert set(tuned.table.loc[tuned.table["chosen"], "value"]) == {60.0, 0.5}
    assert "no dev query has a relevant family; k = 60 and weight 0.5 are used untuned" in capsys.readouterr().err


def test_cross_fitting_tunes_each_fold_on_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    every, folds = QUERIES.assign(split="test"), np.arange(len(ASKED)) % 3
    tuned = fusion_settings.tune(
        legs(run(1), run(2)),
        qrels(),
        every,
        SETTINGS,
        label="test",
        folds=dict(zip(ASKED, folds.tolist(), strict=True)),
    )
    runs = {method: fused(legs(run(1), run(2)), method, value, 1000) for method, value in tuned.chosen.items()}
    for method in ("rrf", "interpolation"):
        for fold in range(3):
            rest = every[folds != fold].assign(split="dev")
            alone = fusion_settings.tune(legs(run(1), run(2)), qrels(), rest, SETTINGS, label="test")
            best = alone.chosen[method]
            assert (tuned.chosen[method][folds == fold] == best).all()  # type: ignore[index]
            table = tuned.table[(tuned.table["method"] == method) & (tuned.table["split"] == f"fold-{fold}")]
            assert table.loc[table["chosen"], "value"].tolist() == [best]
            on_dev = alone.table[(alone.table["method"] == method) & (alone.table["split"] == "dev")]
            np.testing.assert_allclose(table["score"], on_dev["score"], rtol=0, atol=1e-12)
            mine = [query for query, own in zip(ASKED, folds, strict=True) if own == fold]
            whole = fused(legs(run(1), run(2)), method, best, 1000)
            parts = [
                one[one["query_id"].isin(mine)].astype(str).reset_index(drop=True) for one in (runs[method], whole)
            ]
            pd.testing.assert_frame_equal(*parts)
    assert len(set(tuned.chosen["interpolation"])) > 1 and tuned.on_dev  # type: ignore[arg-type]
    assert tuned.said["rrf"] == sorted(set(tuned.chosen["rrf"]))  # type: ignore[arg-type]


def test_queries_of_one_fold_are_fused_untuned(capsys: pytest.CaptureFixture[str]) -> None:
    folds = dict.fromkeys(ASKED, 3)
    tuned = fusion_settings.tune(
        legs(run(1), run(2)), qrels(), QUERIES.assign(split="test"), SETTINGS, label="test", folds=folds
    )
    assert set(tuned.chosen["rrf"]) == {60.0} and set(tuned.chosen["interpolation"]) == {0.5}  # type: ignore[arg-type]
    assert set(tuned.table["split"]) == {"test"} and not tuned.on_dev
    assert "the scored queries are all of one fold" in capsys.readouterr().err


def test_what_is_said_to_be_untuned_is_untuned_for_every_query() -> None:
    """All scored queries in one fold: there is nothing to tune its queries on."""
    folds = {query: 3 if place < 6 else 1 for place, query in enumerate(ASKED)}
    judged = qrels()[qrels()["query_id"].isin(ASKED[:6])]
    coarse = SETTINGS.model_copy(update={"rrf_k": [10], "weights": [0.0, 1.0]})
    every = QUERIES.assign(split="test")
    tuned = fusion_settings.tune(legs(run(1), run(2)), judged, every, coarse, label="test", folds=folds)
    assert not tuned.on_dev and tuned.said == {"rrf": [60.0], "interpolation": [0.5]}


def test_without_any_judgement_there_is_no_table_but_a_choice() -> None:
    tuned = fusion_settings.tune(legs(run(1), run(2)), qrels()[:0], QUERIES, SETTINGS, label="test")
    assert tuned.table.empty and tuned.oracle == tuned.chosen == {"rrf": 60.0, "interpolation": 0.5}


@pytest.fixture
def landscape(workspace: Path, set_params: Callable[..., None]) -> str:
    """Runs and task tables of a landscape."""
    set_params(fuse=SETTINGS.model_dump())
    pool = pd.DataFrame({"family_id": [*FAMILIES, *ASKED], "date": "", "before": "", "split": "train", "ranked": True})
    tables.write(pool, layout.task(L, "pool"), POOL)
    tables.write(queried.table(QUERIES), layout.task(L, "queries"), QUERIES_TABLE)
    tables.write(qrels(), layout.task(L, "qrels"), QRELS)
    tables.write(run(1), layout.run(L, "bm25"), RUN)
    tables.write(run(2), layout.run(L, "dense"), RUN)
    return L


def test_the_stage_writes_runs_table_and_cost_the_same_twice(landscape: str) -> None:
    outputs = [layout.run(L, "rrf"), layout.run(L, "interpolation"), layout.oracles(L), layout.fusion(L)]
    start("fuse", landscape)
    first = [path.read_bytes() for path in outputs]
    start("fuse", landscape)
    assert [path.read_bytes() for path in outputs] == first
    table = tables.read(layout.fusion(L), FUSION)
    ids, judged = {"query_id": "str", "family_id": "str"}, qrels()
    best = tables.read(layout.oracles(L), ORACLES)
    for method in ("rrf", "interpolation"):
        chosen, oracle = (
            fused(legs(run(1), run(2)), method, table.loc[(table["method"] == method) & table[flag], "value"].iloc[0],
                  1000).astype(ids)
            for flag in ("chosen", "oracle")
        )  # fmt: skip
        written = tables.read(layout.run(L, method), RUN).astype(ids)
        pd.testing.assert_frame_equal(written, chosen.sort_values(["query_id", "rank"], ignore_index=True))
        expected = judged.merge(oracle, on=["query_id", "family_id"])[["query_id", "family_id", "rank"]]
        expected = expected.sort_values(["query_id", "family_id"], ignore_index=True)
        ours = best.loc[best["system"] == f"oracle-{method}", ["query_id", "family_id", "rank"]]
        pd.testing.assert_frame_equal(ours.reset_index(drop=True), expected)
        assert 0 < len(expected) < len(judged)


@pytest.mark.parametrize("depth", [1000, 9])
def test_ranks_are_those_of_the_sorted_lists(depth: int) -> None:
    pair = legs(run(1), run(2))
    asked = pd.DataFrame(
        [(q, f) for q in (*ASKED, "none") for f in (*FAMILIES, "other")], columns=["query_id", "family_id"]
    )
    tried = [("rrf", 10.0), ("rrf", 60.0), ("interpolation", 0.0), ("interpolation", 0.4), ("interpolation", 1.0)]
    for (method, value), rank in zip(tried, fusion.ranks(pair, tried, depth, asked, "test"), strict=True):
        whole = fused(pair, method, value, depth).astype({"query_id": "str", "family_id": "str"})
        expected = asked.merge(whole, on=["query_id", "family_id"], how="left")["rank"].fillna(0)
        assert rank.tolist() == expected.tolist() and rank.max() == min(depth, whole["rank"].max())


def test_what_is_out_of_reach_does_not_tune(landscape: str, set_params: Callable[..., None]) -> None:
    set_params(tasks__pool="earlier")
    # Families are of 2000; q1 and q3 ask before that, every other query after it.
    asked = {query: "1999-01-01" if query in ("q1", "q3") else "2001-01-01" for query in ASKED}
    pool = pd.DataFrame(
        {
            "family_id": [*FAMILIES, *ASKED],
            "date": ["2000-01-01"] * len(FAMILIES) + list(asked.values()),
            "before": ["2000-01-01"] * len(FAMILIES) + list(asked.values()),
            "split": "train",
            "ranked": True,
        }
    )
    tables.write(pool, layout.task(L, "pool"), POOL)
    start("fuse", landscape)
    rest = QUERIES[~QUERIES["query_id"].isin(["q1", "q3"])]
    right = fusion_settings.tune(legs(run(1), run(2)), qrels(), rest, SETTINGS, label="test").table
    whole = fusion_settings.tune(legs(run(1), run(2)), qrels(), QUERIES, SETTINGS, label="test").table
    key = ["method", "value", "split"]
    found = tables.read(layout.fusion(L), FUSION).sort_values(key, ignore_index=True)
    np.testing.assert_allclose(found["score"], right.sort_values(key)["score"], rtol=0, atol=1e-12)
    assert not np.allclose(found["score"], whole.sort_values(key)["score"])


def test_a_landscape_without_queries_gives_empty_tables(landscape: str) -> None:
    for path, table in ((layout.task(L, "queries"), QUERIES_TABLE), (layout.task(L, "qrels"), QRELS),
                        (layout.run(L, "bm25"), RUN), (layout.run(L, "dense"), RUN)):  # fmt: skip
        tables.write(tables.read(path, table)[:0], path, table)
    start("fuse", landscape)
    for system in ("rrf", "interpolation"):
        assert tables.read(layout.run(L, system), RUN).empty
    assert tables.read(layout.oracles(L), ORACLES).empty
    assert tables.read(layout.fusion(L), FUSION).empty


def test_a_missing_run_ends_in_one_line(landscape: str) -> None:
    layout.run(L, "dense").unlink()
    resolve("fuse", L)
    done = subprocess.run([sys.executable, "-P", "-m", "stages.fuse", L], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        2,
        "error: data/runs/sim-alpha/dense.parquet: no such file; run `dvc repro` first\n",
    )
    assert not layout.fusion(L).exists() and not layout.run(L, "rrf").exists()


def test_runs_of_nothing_rank_nothing() -> None:
    nothing = legs(run(1)[:0], run(2)[:0])
    (found,) = fusion.ranks(nothing, [("rrf", 60.0)], 10, qrels(), "test")
    assert len(found) == len(qrels()) and not found.any()
