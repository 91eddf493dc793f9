"""The metrics stage on small landscapes: its tables against ir-measures, and what it leaves out."""

from __future__ import annotations

import shutil
from pathlib import Path

import ir_measures
import numpy as np
import pandas as pd
import pytest
import queried
from started import start
from typer.testing import CliRunner

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.vectors import QUERY_ROWS, ROWS, TOKEN_ROWS
from patent_embeddings.corpus.schemas import LABELS, POOL, QRELS, QUERIES
from patent_embeddings.evaluation import outcomes as outcomes_
from patent_embeddings.evaluation.schemas import COMPRESSION, OUTCOMES, SCORES
from patent_embeddings.evaluation.schemas import ORACLES as BEST
from patent_embeddings.evaluation.systems import ORACLES, RETRIEVAL
from patent_embeddings.retrieval.schemas import RUN
from stages import metrics

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = [f"F{i:03d}" for i in range(120)]
SPLITS = ["train"] * 80 + ["dev"] * 15 + ["test"] * 25
LABEL = np.arange(120) % 4


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of the stages before."""
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare()
    return folder


@pytest.fixture
def landscape(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A copy of them in the current folder."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return "sim-alpha"


def prepare() -> None:
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    shutil.copytree(ROOT / "registry", "registry", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    rng = np.random.default_rng(0)
    asked = FAMILIES[20:]
    queries = pd.DataFrame({"query_id": asked, "split": SPLITS[20:]})
    tables.write(queried.table(queries), layout.task("sim-alpha", "queries"), QUERIES)
    pool = pd.DataFrame({"family_id": FAMILIES, "date": "", "before": "", "split": SPLITS, "ranked": True})
    tables.write(pool, layout.task("sim-alpha", "pool"), POOL)
    qrels = [(query, family, int(rng.integers(1, 3)), str(rng.choice(["in", "out", "unknown"])))
             for query in asked for family in rng.choice(FAMILIES[:20], rng.integers(1, 6), replace=False)]  # fmt: skip
    judged = pd.DataFrame(qrels, columns=list(QRELS.columns))
    tables.write(judged, layout.task("sim-alpha", "qrels"), QRELS)
    labels = pd.DataFrame(
        {"family_id": FAMILIES, "label_set": "ipc-class", "labels": [[f"A{i:02d}"] for i in LABEL], "split": SPLITS}
    )
    tables.write(labels, layout.task("sim-alpha", "labels"), LABELS)
    for system in RETRIEVAL:
        ranked = [(query, family, rank + 1, 1.0) for query in asked[:-3]
                  for rank, family in enumerate(rng.permutation(FAMILIES[:20])[: rng.integers(1, 20)])]  # fmt: skip
        frame = pd.DataFrame(ranked if system != "reranked" else [], columns=list(RUN.columns))
        types = {"query_id": "str", "family_id": "str", "rank": "int64", "score": "float32"}
        tables.write(frame.astype(types), layout.run("sim-alpha", system), RUN)
    asked_of = [rows["family_id"] for _, rows in judged.groupby("query_id")]
    best = [
        (system, query, family, 1 + rng.integers(0, 5) + 5 * place)
        for system in ORACLES
        for query, families in zip(asked, asked_of, strict=True)
        for place, family in enumerate(families)
        if rng.random() < 0.7
    ]
    tables.write(pd.DataFrame(best, columns=list(BEST.columns)), layout.oracles("sim-alpha"), BEST)
    store("documents", rng.normal(size=(4, 12))[LABEL] + 0.3 * rng.normal(size=(120, 12)))
    np.save(layout.vectors("sim-alpha", "queries"), np.load(layout.vectors("sim-alpha", "documents"))[20:])
    tables.write(queries[["query_id"]], layout.vector_ids("sim-alpha", "queries"), QUERY_ROWS)


@pytest.fixture(scope="module")
def finished(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of them with what the stage writes."""
    folder = shutil.copytree(prepared, tmp_path_factory.mktemp("finished") / "cell")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        start("metrics", "sim-alpha")
    return folder


@pytest.fixture
def first(finished: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the stage writes of them."""
    return written(finished)


def store(side: str, vectors: np.ndarray) -> None:
    """Vectors of all families."""
    layout.embeddings("sim-alpha").mkdir(parents=True, exist_ok=True)
    np.save(layout.vectors("sim-alpha", side), vectors.astype(np.float32))
    tables.write(pd.DataFrame({"family_id": FAMILIES}), layout.vector_ids("sim-alpha", side), ROWS)


def scored(landscape: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run the stage and read what it wrote."""
    start("metrics", landscape)
    return written(Path())


def written(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    outcomes, scores = (folder / path("sim-alpha") for path in (layout.outcomes, layout.scores))
    return tables.read(outcomes, OUTCOMES), tables.read(scores, SCORES)


def ranked(landscape: str, system: str) -> pd.DataFrame:
    """A run; of an oracle, of which only the ranks of what is judged are known, with other families between them."""
    if system not in ORACLES:
        return tables.read(layout.run(landscape, system), RUN).astype({"query_id": str, "family_id": str})
    best = tables.read(layout.oracles(landscape), BEST)
    best = best[best["system"] == system]
    filled = best[["query_id"]].drop_duplicates().merge(pd.DataFrame({"rank": range(1, 40)}), how="cross")
    filled = filled.merge(best, on=["query_id", "rank"], how="left")
    return filled.assign(family_id=filled["family_id"].fillna("other-" + filled["rank"].astype(str)))


def test_retrieval_is_what_ir_measures_gives_from_the_tables_alone(
    landscape: str, first: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    outcomes, scores = first
    qrels = tables.read(layout.task(landscape, "qrels"), QRELS).astype({"query_id": str})
    judged = qrels.rename(columns={"family_id": "doc_id"})
    provider = ir_measures.providers.registry["pytrec_eval"]
    split = dict(zip(FAMILIES, SPLITS, strict=True))
    both = set.intersection(*(set(judged.loc[judged["scope"] == side, "query_id"]) for side in ("in", "out")))
    compared = 0
    for system in ("bm25", "dense", "oracle-rrf"):
        run = ranked(landscape, system)
        run = run.rename(columns={"family_id": "doc_id"}).assign(score=-run["rank"].astype(float))
        for scope in ("all", "in", "out", "in-paired", "out-paired"):
            here = judged if scope == "all" else judged[judged["scope"] == scope.split("-")[0]]
            if scope.endswith("paired"):
                here = here[here["query_id"].isin(both)]
            for metric in ("nDCG@10", "nDCG@100", "R@100", "AP", "RR"):
                truth = {
                    row.query_id: row.value
                    for row in provider.iter_calc([ir_measures.parse_measure(metric)], here, run)
                }
                mine = outcomes.query("system == @system and scope == @scope and metric == @metric").set_index(
                    "query_id"
                )["value"]
                assert set(mine.index) == set(truth)
                np.testing.assert_allclose(mine, [truth[query] for query in mine.index], rtol=0, atol=1e-9)
                test = [value for query, value in truth.items() if split[query] == "test"]
                row = scores.query("system == @system and scope == @scope and metric == @metric").iloc[0]
                assert row["value"] == pytest.approx(np.mean(test), abs=1e-9)
                assert row["n"] == len(test)
                if len(test) < 6 or metric in ("AP", "RR"):  # of these from 40 queries on
                    assert np.isnan([row["ci_low"], row["ci_high"]]).all()
                else:
                    assert row["ci_low"] < row["value"] < row["ci_high"]
                compared += 1
    assert compared == 75
    assert set(outcomes.loc[outcomes["task"] == "retrieval", "split"]) == {"train", "dev", "test"}
    assert scores["simulated"].all()


def test_every_system_and_task_is_there_and_no_reranker_without_a_run(
    landscape: str, first: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    outcomes, scores = first
    systems = scores.groupby("task")["system"].agg(lambda names: sorted(set(names)))
    assert systems["retrieval"] == sorted({*RETRIEVAL, *ORACLES} - {"reranked"})
    assert systems["classification"] == ["knn", "prior", "probe"]
    assert systems["clustering"] == ["kmeans", "random"]
    assert set(outcomes.loc[outcomes["task"] != "retrieval", "split"]) == {"test"}
    units = outcomes[(outcomes["task"] == "clustering") & (outcomes["metric"] == "AMI")]
    assert sorted(units.loc[units["system"] == "kmeans", "query_id"]) == [f"seed-{run}" for run in range(5)]
    value = scores.set_index(["task", "system", "metric"])["value"]
    assert value["classification", "probe", "micro-F1"] > 0.9 > value["classification", "prior", "micro-F1"]
    assert value["clustering", "kmeans", "V-measure"] > 0.9 > value["clustering", "random", "V-measure"]
    shutil.copy(layout.run(landscape, "dense"), layout.run(landscape, "reranked"))
    again = scored(landscape)[1].set_index(["scope", "metric", "system"])["value"]
    assert again["all", "AP", "reranked"] == again["all", "AP", "dense"]


def test_twice_gives_the_same_bytes(landscape: str, finished: Path) -> None:
    start("metrics", landscape)
    assert len(tables.read(layout.compression(landscape), COMPRESSION))
    for path in (layout.outcomes(landscape), layout.scores(landscape), layout.compression(landscape)):
        assert path.read_bytes() == (finished / path).read_bytes()


def test_without_citations_there_is_no_retrieval_and_without_codes_nothing_else(landscape: str) -> None:
    labels = tables.read(layout.task(landscape, "labels"), LABELS)
    tables.write(labels[:0], layout.task(landscape, "labels"), LABELS)
    assert set(scored(landscape)[1]["task"]) == {"retrieval"}
    tables.write(labels, layout.task(landscape, "labels"), LABELS)
    for table, kind in (("queries", QUERIES), ("qrels", QRELS)):
        tables.write(tables.read(layout.task(landscape, table), kind)[:0], layout.task(landscape, table), kind)
    assert set(scored(landscape)[1]["task"]) == {"classification", "clustering"}
    assert tables.read(layout.compression(landscape), COMPRESSION).empty
    tables.write(labels[:0], layout.task(landscape, "labels"), LABELS)
    assert [len(frame) for frame in scored(landscape)] == [0, 0]


def test_vectors_of_the_task_are_used_where_the_model_has_them(
    landscape: str, first: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    before = first[1].set_index(["task", "system", "metric"])["value"]
    store("classification", np.random.default_rng(1).normal(size=(120, 12)))
    after = scored(landscape)[1].set_index(["task", "system", "metric"])["value"]
    assert after["classification", "probe", "LRAP"] < before["classification", "probe", "LRAP"] - 0.2
    assert after["clustering", "kmeans", "AMI"] == before["clustering", "kmeans", "AMI"]


def test_token_vectors_are_averaged_by_family() -> None:
    tokens = np.arange(12, dtype=np.float32).reshape(6, 2)
    found = outcomes_.pooled(tokens, np.array([0, 1, 3, 3]))
    np.testing.assert_array_equal(found, [[0, 1], [3, 4], [0, 0], [8, 9]])


def test_late_interaction_is_scored_on_its_average(landscape: str) -> None:
    vectors = np.load(layout.vectors(landscape, "documents"))
    families = outcomes_.family_vectors(landscape, "clustering", ragged=False)[0]
    drift = np.random.default_rng(2).normal(size=vectors.shape).astype(np.float32)
    np.save(
        layout.vectors(landscape, "documents"), np.stack([vectors + drift, vectors - drift], axis=1).reshape(240, 12)
    )
    offsets = pd.DataFrame({"family_id": FAMILIES, "offset": np.arange(0, 240, 2)})
    tables.write(offsets, layout.vector_ids(landscape, "documents"), TOKEN_ROWS)
    again, pooled = outcomes_.family_vectors(landscape, "clustering", ragged=True)
    assert list(again) == list(families)
    np.testing.assert_allclose(pooled, vectors, atol=1e-6)


def test_a_missing_run_is_an_error_that_names_it(landscape: str) -> None:
    layout.run(landscape, "rrf").unlink()
    with pytest.raises(UserError, match=r"rrf\.parquet: no such file"):
        start("metrics", landscape)
    assert not layout.scores(landscape).exists()
    assert not layout.outcomes(landscape).exists()


def test_queries_without_a_family_within_reach_have_no_score_in_the_earlier_pool(
    landscape: str, capsys: pytest.CaptureFixture[str]
) -> None:
    params = Path("params.yaml")
    params.write_text(params.read_text(encoding="utf-8").replace("pool: all ", "pool: earlier "), encoding="utf-8")
    rng = np.random.default_rng(7)
    dates = [f"20{year:02d}-01-01" if year < 10 else "" for year in rng.integers(0, 13, len(FAMILIES))]
    pool = pd.DataFrame({"family_id": FAMILIES, "date": dates, "before": dates, "split": SPLITS, "ranked": True})
    tables.write(pool, layout.task(landscape, "pool"), POOL)
    qrels = tables.read(layout.task(landscape, "qrels"), QRELS)
    date = dict(zip(FAMILIES, dates, strict=True))
    open_ = [bool(date[f]) and date[f] < date[q] for q, f in zip(qrels["query_id"], qrels["family_id"], strict=True)]
    within = qrels[open_]
    outcomes, scores = scored(landscape)
    split = dict(zip(FAMILIES, SPLITS, strict=True))
    for scope in ("all", "in", "out"):
        right = set(within.loc[(within["scope"] == scope) | (scope == "all"), "query_id"])
        found = outcomes.query("scope == @scope and metric == 'AP' and system == 'dense'")
        assert set(found["query_id"]) == right and len(right) < qrels["query_id"].nunique()
        row = scores.query("scope == @scope and metric == 'AP' and system == 'dense'").iloc[0]
        assert row["n"] == sum(split[query] == "test" for query in right)
    # What is left is scored as ever: the pairs out of reach of these queries count as not found.
    provider = ir_measures.providers.registry["pytrec_eval"]
    run = tables.read(layout.run(landscape, "dense"), RUN).astype({"query_id": str, "family_id": str})
    run = run.rename(columns={"family_id": "doc_id"}).assign(score=-run["rank"].astype(float))
    judged = qrels.rename(columns={"family_id": "doc_id"})
    truth = {one.query_id: one.value for one in provider.iter_calc([ir_measures.parse_measure("AP")], judged, run)}
    found = outcomes.query("scope == 'all' and metric == 'AP' and system == 'dense'").set_index("query_id")["value"]
    np.testing.assert_allclose(found, [truth[query] for query in found.index], rtol=0, atol=1e-9)
    lost = qrels["query_id"].nunique() - within["query_id"].nunique()
    said = capsys.readouterr().err
    assert f"sim-alpha: {len(qrels) - len(within)} of {len(qrels)} relevant pairs (" in said
    assert f"{lost} of {qrels['query_id'].nunique()} queries (" in said


def test_help_names_the_argument() -> None:
    found = CliRunner().invoke(metrics.app, ["--help"])
    assert found.exit_code == 0
    assert "LANDSCAPE" in found.output.upper()
