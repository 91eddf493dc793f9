"""What is exported is read back by the tools that it is for, and gives our numbers."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import ir_measures
import numpy as np
import pandas as pd
import pytest
import queried
import yaml
from cells import write_cell
from workspaces import change, register

from patent_embeddings.core import layout, params, registry, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import write_json
from patent_embeddings.corpus.entries import landscape_entry
from patent_embeddings.corpus.schemas import POOL, QRELS, QUERIES
from patent_embeddings.encoders.entries import model_entry
from patent_embeddings.evaluation.retrieval import per_query
from patent_embeddings.evaluation.schemas import SCORES
from patent_embeddings.handover import mteb as mteb_
from patent_embeddings.handover import trec
from patent_embeddings.handover.exported_cell import subject
from patent_embeddings.handover.model import readme
from patent_embeddings.handover.sheets import Score, Sheet, latex
from patent_embeddings.handover.spreadsheet import comma_separated
from patent_embeddings.retrieval.schemas import RUN
from patent_embeddings.training import adapters
from stages import export as export_stage

L = "sim-alpha"


@pytest.fixture
def cell(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished cell in a folder of its own, in a git repository."""
    from toy import git
    from workspaces import ROOT

    here = workspace / "cell"
    here.mkdir()
    monkeypatch.chdir(here)
    # It has no pipeline: tests of their own hold what is current.
    monkeypatch.setattr("patent_embeddings.grid.freshness.require_current", lambda *_: None)
    write_cell(here)
    git(here, "init", "-q")
    git(here, "-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-q", "--allow-empty", "-m", "x")
    (here / "environment.lock").write_text((ROOT / "environment.lock").read_text())
    scores = pd.concat([tables.read(layout.scores(name), SCORES) for name in ("sim-alpha", "sim-beta")])
    layout.SCORES.parent.mkdir()
    scores.to_csv(layout.SCORES, index=False)
    return here


def planted_run() -> None:
    """A landscape of 30 queries with random runs, half of them with one score for everything."""
    generator = np.random.default_rng(3)
    ids = [f"F{number:03d}" for number in range(80)]
    queries = pd.DataFrame({"query_id": ids[:30], "split": ["test", "dev", "train"] * 10}).astype("str")
    judged = [(query, family, 1, ["in", "out", "unknown"][int(generator.integers(3))])
              for query in ids[:30] for family in generator.choice(ids[30:], 4, replace=False)]  # fmt: skip
    kinds = {"query_id": "str", "family_id": "str", "scope": "str"}
    tables.write(queried.table(queries), layout.task(L, "queries"), QUERIES)
    tables.write(pd.DataFrame(judged, columns=list(QRELS.columns)).astype(kinds), layout.task(L, "qrels"), QRELS)
    for system in ("bm25", "dense"):
        rows = [
            (query, family, rank, 1.0 if system == "bm25" else 1 / rank)
            for query in ids[1:30]
            for rank, family in enumerate(generator.permutation(ids[30:])[:40], 1)
        ]
        found = pd.DataFrame(rows, columns=list(RUN.columns)).astype(
            {"query_id": "str", "family_id": "str", "score": "float32"}
        )
        tables.write(found, layout.run(L, system), RUN)


def test_ir_measures_gives_our_scores_from_the_files(cell: Path) -> None:
    planted_run()
    export_stage.trec(cell / "out")
    queries = tables.read(layout.task(L, "queries"), QUERIES)
    qrels = tables.read(layout.task(L, "qrels"), QRELS)
    checked = 0
    for system in ("bm25", "dense"):
        ours = per_query(tables.read(layout.run(L, system), RUN), qrels, queries)
        means = ours[ours["split"] == "test"].groupby(["scope", "metric"])["value"].mean()
        run = list(ir_measures.read_trec_run(str(cell / f"out/{L}/{system}.run")))
        for (scope, metric), value in means.items():
            judged = list(ir_measures.read_trec_qrels(str(cell / f"out/{L}/qrels.{scope}.txt")))
            measure = ir_measures.parse_measure(str(metric))
            # The first query has no result at all: it counts 0, as with us.
            assert ir_measures.calc_aggregate([measure], judged, run)[measure] == pytest.approx(value, abs=1e-9), (
                system,
                scope,
                metric,
            )
            checked += 1
    assert checked == 2 * 5 * 5


def test_judgements_of_the_earlier_pool_are_of_the_queries_that_are_scored(cell: Path) -> None:
    planted_run()
    change(cell, tasks__pool="earlier")
    ids = [f"F{number:03d}" for number in range(80)]
    dates = [f"200{number % 10}-01-01" for number in range(30)] + [f"200{number % 7 + 3}-06-01" for number in range(50)]
    pool = pd.DataFrame({"family_id": ids, "date": dates, "before": dates, "split": "test", "ranked": True})
    tables.write(pool.astype({"split": "str"}), layout.task(L, "pool"), POOL)
    export_stage.trec(cell / "out")
    qrels, queries = tables.read(layout.task(L, "qrels"), QRELS), tables.read(layout.task(L, "queries"), QUERIES)
    date = dict(zip(ids, dates, strict=True))
    reach = np.array([date[f] < date[q] for q, f in zip(qrels["query_id"], qrels["family_id"], strict=True)])
    ours = per_query(tables.read(layout.run(L, "dense"), RUN), qrels, queries, reachable=reach)
    test = ours[(ours["split"] == "test") & (ours["metric"] == "AP")]
    for scope, rows in test.groupby("scope"):
        judged = list(ir_measures.read_trec_qrels(str(cell / f"out/{L}/qrels.{scope}.txt")))
        assert {one.query_id for one in judged} == set(rows["query_id"])
    assert 0 < test.loc[test["scope"] == "all", "query_id"].nunique() < 10


def test_languages_are_those_of_the_texts_or_not_said(cell: Path) -> None:
    export_stage.mteb(cell / "out")
    (folder,) = (cell / "out/results").glob("*/*")

    def languages() -> list[str]:
        result = json.loads((folder / "SimAlphaPatentRetrieval.json").read_text())
        return list(result["scores"]["test"][0]["languages"])

    assert languages() == ["eng-Latn"] and "languages" not in json.loads((folder / "model_meta.json").read_text())
    assert "language: en" in readme(subject(params.load()), tables.read(layout.scores(L), SCORES))
    blocks = yaml.safe_load(layout.registry("landscapes").read_text(encoding="utf-8"))
    blocks[L] = {
        "source": "table",
        "description": "German",
        "licence": "l",
        "file": "data/raw/x.jsonl",
        "sha256": "0" * 64,
    }
    layout.registry("landscapes").write_text(yaml.safe_dump(blocks), encoding="utf-8")
    registry._read.cache_clear()
    export_stage.mteb(cell / "out")
    assert languages() == ["und-Zyyy"]
    assert "language: en" not in readme(subject(params.load()), tables.read(layout.scores(L), SCORES))
    registry._read.cache_clear()


def test_ids_with_white_space_are_refused() -> None:
    found = pd.DataFrame({"query_id": ["a"], "family_id": ["b c"], "rank": [1], "score": [1.0]})
    with pytest.raises(UserError, match="'b c'"):
        trec.run_text(found, "dense")


def test_mteb_results_hold_scores_prompts_revision_and_versions(cell: Path) -> None:
    export_stage.mteb(cell / "out")
    (folder,) = (cell / "out/results").glob("*/*")
    assert folder.parent.name == "sentence-transformers__all-MiniLM-L6-v2-r3-sim-alpha"
    meta = json.loads((folder / "model_meta.json").read_text())
    assert meta["prompts"]["query"] == ""
    assert meta["base_revision"] == model_entry("minilm").revision
    result = json.loads((folder / "SimAlphaPatentRetrieval.json").read_text())
    scores = tables.read(layout.scores(L), SCORES)
    dense = scores[(scores["system"] == "dense") & (scores["scope"] == "out") & (scores["metric"] == "nDCG@10")]
    (subset,) = json.loads((folder / "SimAlphaPatentRetrievalOut.json").read_text())["scores"]["test"]
    assert subset["main_score"] == subset["ndcg_at_10"] == pytest.approx(dense["value"].iloc[0])
    assert result["versions"]["torch"]
    assert result["parameters"]["recipe"] == "r3"
    assert result["dataset_revision"] == f"seed-{landscape_entry(L).seed}-families-{landscape_entry(L).families}"


def test_an_adapter_without_weight_is_no_fine_tuned_model(cell: Path) -> None:
    """Its scores are those of the published model, so that they stand under that name."""
    change(cell, embed__adapter_scale=0.0)
    export_stage.mteb(cell / "out")
    (folder,) = (cell / "out/results").glob("*/*")
    assert folder.parent.name == "sentence-transformers__all-MiniLM-L6-v2"
    assert folder.name.startswith(str(model_entry("minilm").revision))
    text = readme(subject(params.load()), pd.read_csv(layout.SCORES), "SentenceTransformer(FOLDER)")
    assert "# minilm zero-shot" in text and "kept at 0 of" in text and "(home)" not in text


def test_mteb_is_told_how_deep_average_precision_looked(cell: Path) -> None:
    for depth in (1000, 200):
        change(cell, search__depth=depth)  # only the name is at stake: the scores are those at hand
        export_stage.mteb(cell / f"out-{depth}")
        (path,) = (cell / f"out-{depth}/results").glob("*/*/SimAlphaPatentRetrieval.json")
        whole = json.loads(path.read_text())["scores"]["test"][0]
        assert whole[f"map_at_{depth}"] > 0 and whole[f"mrr_at_{depth}"] > 0


@pytest.mark.pipeline
def test_mteb_loads_its_files(cell: Path) -> None:
    import mteb

    export_stage.mteb(cell / "out")
    paths = mteb.ResultCache(cell / "out").get_cache_paths(include_remote=False)
    found = {path.stem: mteb.results.TaskResult.from_disk(path) for path in paths}
    tasks = ["Classification", "Clustering", *(f"Retrieval{one}" for one in ("", "In", "Out", "InPaired", "OutPaired"))]
    assert set(found) == {f"{place}Patent{task}" for place in ("SimAlpha", "SimBeta") for task in tasks}
    scores = tables.read(layout.scores(L), SCORES)
    f1 = scores[(scores["system"] == "probe") & (scores["metric"] == "micro-F1")]["value"].iloc[0]
    loaded = found["SimAlphaPatentClassification"]
    assert loaded.scores["test"][0]["main_score"] == pytest.approx(f1)
    assert loaded.date is not None
    assert loaded.get_score() == pytest.approx(f1)
    loaded.scores["test"][0]["languages"] = [mteb_.UNKNOWN]  # without a language mteb's score would be NaN
    assert loaded.get_score() == pytest.approx(f1)
    # mteb's score of a task is the mean of its subsets: each must be a score of ours.
    dense = scores[(scores["system"] == "dense") & (scores["metric"] == "nDCG@10")].set_index("scope")["value"]
    shutil.move(cell / "out", cell / "moved")
    table = mteb.ResultCache(cell / "moved").load_results().to_dataframe().set_index("task_name").iloc[:, -1]
    for scope, suffix in (("all", ""), ("out", "Out"), ("in-paired", "InPaired")):
        assert table[f"SimAlphaPatentRetrieval{suffix}"] == pytest.approx(dense[scope])
    assert table["SimAlphaPatentClassification"] == pytest.approx(f1)


def test_cells_of_one_model_are_results_of_their_own(cell: Path) -> None:
    for view in ("tac", "ta"):
        change(cell, query_view=view)
        export_stage.mteb(cell / "out")
    assert len(list((cell / "out/results").glob("*/*/model_meta.json"))) == 2


def trained(cell: Path) -> dict[str, object]:
    """Leave an adapter as training does, of no weights; its settings."""
    entry = model_entry("minilm")
    config = {"base_model_name_or_path": entry.hub, "revision": entry.revision, "lora_alpha": 32, "r": 16}
    write_json(layout.ADAPTER / adapters.CONFIG, config)
    adapters.seal(layout.ADAPTER)
    return config


def test_a_folder_of_others_is_not_replaced_by_a_model(cell: Path) -> None:
    trained(cell)
    (cell / "models").mkdir()
    (cell / "models/weights.bin").write_text("theirs")
    with pytest.raises(UserError, match="exists and is no model folder"):
        export_stage.model(cell / "models")
    assert (cell / "models/weights.bin").read_text() == "theirs"
    for _ in range(2):  # an earlier export is
        export_stage.model(cell / "model")


def test_a_part_of_the_adapter_is_exported_as_that_part(cell: Path) -> None:
    config = trained(cell)
    change(cell, embed__adapter_scale=0.25)
    export_stage.model(cell / "model")
    assert json.loads((cell / "model/adapter_config.json").read_text()) == {**config, "lora_alpha": 8}
    assert "kept at 0.25 of what was trained" in (cell / "model/README.md").read_text()
    assert json.loads((layout.ADAPTER / "adapter_config.json").read_text())["lora_alpha"] == 32
    ours = subject(params.load())
    half = dataclasses.replace(ours, recipe=ours.recipe.model_copy(update={"weight": 0.5}))
    assert "kept at 0.125 of what was trained" in readme(half, pd.read_csv(layout.SCORES))
    change(cell, embed__adapter_scale=0)
    with pytest.raises(UserError, match="the zero-shot model"):
        export_stage.model(cell / "model")


def test_quotes_in_ids_stay_as_they_are() -> None:
    found = pd.DataFrame({"query_id": ['a"b'], "family_id": ["c'd"], "rank": [1], "score": [1.0]})
    assert trec.run_text(found, "dense") == "a\"b Q0 c'd 1 1 dense\n"


def test_two_landscapes_of_one_name_to_mteb_are_refused(cell: Path) -> None:
    change(cell, evaluate_on=["sim-alpha", "field-1", "field1"])
    for name in ("field-1", "field1"):
        register(cell, "landscapes", name, landscape_entry(L).model_dump(exclude_defaults=True))
    registry._read.cache_clear()
    with pytest.raises(UserError, match="field-1 and field1 would both be Field1Patent"):
        export_stage.mteb(cell / "out")
    assert not (cell / "out").exists()


def test_two_label_sets_of_one_name_to_mteb_are_refused(cell: Path) -> None:
    scores = pd.read_csv(layout.SCORES)
    probe = scores[(scores["landscape"] == L) & (scores["system"] == "probe")]
    levels = [probe.assign(scope=scope) for scope in ("own-Part", "own-part")]
    pd.concat([scores, *levels]).to_csv(layout.SCORES, index=False)
    with pytest.raises(UserError, match="sim-alpha would both be SimAlphaPatentClassificationOwnPart"):
        export_stage.mteb(cell / "out")
    assert not (cell / "out").exists()


def test_a_run_without_rows_is_not_written(cell: Path) -> None:
    planted_run()
    empty = tables.read(layout.run(L, "dense"), RUN).head(0)
    tables.write(empty, layout.run(L, "reranked"), RUN)
    export_stage.trec(cell / "out")
    assert not (cell / f"out/{L}/reranked.run").exists() and (cell / f"out/{L}/dense.run").exists()


def test_no_run_of_another_cell_stays_beside_those_of_this_one(cell: Path) -> None:
    planted_run()
    (cell / f"out/{L}").mkdir(parents=True)
    for name in ("reranked.run", "qrels.out.txt", "mine.run"):
        (cell / f"out/{L}/{name}").write_text("of another cell", encoding="utf-8")
    export_stage.trec(cell / "out")
    assert not (cell / f"out/{L}/reranked.run").exists()
    assert (cell / f"out/{L}/qrels.out.txt").read_text(encoding="utf-8") != "of another cell"
    assert (cell / f"out/{L}/mine.run").exists()


def test_a_landscape_that_is_no_longer_evaluated_leaves_the_exported_runs(cell: Path) -> None:
    """Whoever reads all runs below the folder would mix two cells."""
    planted_run()
    for name in ("sim-gone", "sim-noted", L):
        (cell / f"out/{name}").mkdir(parents=True)
        for old in ("reranked.run", "qrels.all.txt"):
            (cell / f"out/{name}/{old}").write_text("of another cell", encoding="utf-8")
    for other in ("sim-noted/mine.txt", "theirs/thesis.txt", "theirs/bm25.run"):
        (cell / "out" / other).parent.mkdir(exist_ok=True)
        (cell / "out" / other).write_text("mine", encoding="utf-8")
    export_stage.trec(cell / "out")
    found = {str(path.relative_to(cell / "out")) for path in (cell / "out").rglob("*") if path.is_file()}
    assert (
        not (cell / "out/sim-gone").exists() and {"sim-noted/mine.txt", "theirs/thesis.txt", "theirs/bm25.run"} <= found
    )
    assert {name.split("/")[0] for name in found if name.endswith((".run", "qrels.all.txt"))} == {
        L,
        "sim-beta",
        "theirs",
    }


def test_results_of_mteb_are_those_of_this_export_alone(cell: Path) -> None:
    export_stage.mteb(cell / "out")
    (folder,) = (cell / "out/results").glob("*/*")
    (folder / "SimGonePatentRetrieval.json").write_text("{}", encoding="utf-8")
    export_stage.mteb(cell / "out")
    assert not (folder / "SimGonePatentRetrieval.json").exists() and len(list(folder.iterdir())) == 15


def test_a_file_in_the_place_of_the_folder_is_said(cell: Path) -> None:
    (cell / "out").write_text("mine")
    with pytest.raises(UserError, match="a file is where a folder is needed"):
        export_stage.trec(cell / "out")
    assert (cell / "out").read_text() == "mine"


@pytest.mark.parametrize("command", ["trec", "mteb", "model", "vectors", "dataset", "system", "table"])
def test_what_is_out_of_date_is_not_exported(cell: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    def changed(*_: object) -> None:
        raise UserError("computed before a change")

    monkeypatch.setattr("patent_embeddings.grid.freshness.require_current", changed)
    arguments = {"name": "retrieval"} if command == "table" else {}
    with pytest.raises(UserError, match="before a change"):
        getattr(export_stage, command)(out=cell / "out", **arguments)
    assert not (cell / "out").exists()


def test_zero_shot_has_no_model_to_export(cell: Path) -> None:
    change(cell, recipe="zero-shot")
    with pytest.raises(UserError, match="no adapter"):
        export_stage.model(cell / "out")


def test_the_licence_of_a_tuned_model_names_that_of_its_texts(cell: Path) -> None:
    ours = subject(params.load())
    home = ours.landscapes[L].model_copy(update={"licence": "CC BY-NC-SA 4.0"})
    text = readme(dataclasses.replace(ours, landscapes={**ours.landscapes, L: home}), pd.read_csv(layout.SCORES))
    assert "license: other\nlicense_name: apache-2.0, CC BY-NC-SA 4.0\n" in text
    # Scored on such texts, but not made of them.
    abroad = {name: home if name != L else entry for name, entry in ours.landscapes.items()}
    assert "license: apache-2.0\n" in readme(dataclasses.replace(ours, landscapes=abroad), pd.read_csv(layout.SCORES))


def test_the_card_says_where_it_was_trained_and_how_it_does(cell: Path) -> None:
    scores = pd.read_csv(layout.SCORES)
    text = readme(subject(params.load()), scores)
    assert "license: apache-2.0" in text
    assert "base_model: sentence-transformers/all-MiniLM-L6-v2" in text
    assert "abstract of a family with its claims" in text
    assert "say nothing about real patents" in text
    key = {"landscape": L, "system": "dense", "scope": "all", "metric": "nDCG@10"}
    home = scores.loc[(scores[list(key)] == pd.Series(key)).all(axis=1)].iloc[0]
    bounds = f"{home['ci_low']:.4f} to {home['ci_high']:.4f}"
    assert f"| sim-alpha (home) | retrieval | all | nDCG@10 | {home['value']:.4f} | {bounds} | 10 |" in text
    assert "| sim-beta | retrieval |" in text
    assert "| AMI |" in text
    assert "V-measure" not in text
    assert re.search(r"\| out \| nDCG@10 \| 0\.\d{4} \| - \| 5 \|", text)
    dense = scores[(scores["landscape"] == L) & (scores["system"] == "dense")]
    for scope, bounds_ in (("out", 0), ("all", 5)):
        result = mteb_.task_result(dense[dense["scope"] == scope], "T", subject(params.load()), "2020-01-01")
        assert len(result["scores"]["test"][0]["interval_95"]) == bounds_
    assert f"- sim-beta: {landscape_entry('sim-beta').licence}" in text


def test_the_card_says_what_the_scores_need_beside_the_model(cell: Path) -> None:
    """Whoever measures the model alone would not get them."""
    plain = readme(subject(params.load()), pd.read_csv(layout.SCORES))
    assert "Scored" not in plain
    change(cell, search__centre="landscape", search__dimensions=128, search__passages="top3", tasks__pool="earlier",
           embed__passages__tokens=64)  # fmt: skip
    text = readme(subject(params.load()), pd.read_csv(layout.SCORES))
    for said in ("mean of a landscape's documents subtracted", "first 128 dimensions", "passages of 64 tokens",
                 "mean of its best three", "published before a query"):  # fmt: skip
        assert said in text


@pytest.mark.pipeline
def test_the_exported_adapter_loads_and_gives_our_vectors(cell: Path) -> None:
    import torch
    from peft import LoraConfig, TaskType
    from sentence_transformers import SentenceTransformer

    from patent_embeddings.encoders import factory, weights
    from patent_embeddings.training import lora

    entry = model_entry("minilm")
    base = str(weights.locate(entry))
    tuned = SentenceTransformer(base, device="cpu", local_files_only=True)
    torch.manual_seed(0)
    tuned.add_adapter(LoraConfig(task_type=TaskType.FEATURE_EXTRACTION, r=4, init_lora_weights=False))
    lora.save(tuned, entry, layout.ADAPTER)
    adapters.seal(layout.ADAPTER)
    export_stage.model(cell / "out")
    texts = ["A valve with a spring.", "Method of sealing a duct."]
    ours = factory.encoder(entry, adapter=layout.ADAPTER).encode(texts, "document")
    theirs = SentenceTransformer(base, device="cpu", local_files_only=True)
    before = theirs.encode(texts)
    theirs.load_adapter(str(cell / "out"))
    theirs.max_seq_length = entry.length
    after = theirs.encode(texts, normalize_embeddings=True)
    np.testing.assert_allclose(after, np.asarray(ours), atol=1e-5)
    assert np.abs(after - before).max() > 0.01
    assert (cell / "out/README.md").read_text().startswith("---\n")


TABLE = Sheet(
    ["who & what", "n", "nDCG@10"],
    [["minilm_r1 50%", 3, Score(0.5, 0.4, 0.6)], ["none", None, None]],
    "Scores of a_b: 95 % {\\}", texts=1,
)  # fmt: skip


def test_csv_has_three_columns_for_a_score() -> None:
    rows = list(csv.reader(io.StringIO(comma_separated(TABLE))))
    assert rows == [
        ["who & what", "n", "nDCG@10", "nDCG@10 low", "nDCG@10 high"],
        ["minilm_r1 50%", "3", "0.5", "0.4", "0.6"],
        ["none", "", "", "", ""],
    ]


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "=1"])
def test_no_cell_of_a_sheet_is_a_formula(text: str) -> None:
    shown = Sheet(["licence", "n", "change"], [[text, 3, "-0.25"], ["CC BY 4.0", -3, -0.25]])
    rows = list(csv.reader(io.StringIO(comma_separated(shown), newline="")))
    assert rows[1:] == [["'" + text.replace("\r", "\n"), "3", "-0.25"], ["CC BY 4.0", "-3", "-0.25"]]


def test_no_name_in_the_comparisons_is_a_formula() -> None:
    from patent_embeddings.pages.grid.report import comparisons_csv

    result = SimpleNamespace(difference=-0.1, low=-0.2, high=0.0, p=0.5, effect=-1.0, n=7)
    one = SimpleNamespace(
        hypotheses="tuned",
        landscape="l",
        task="t",
        scope="all",
        metric="m",
        words=("=HYPERLINK(1)", "@x"),
        result=result,
        p_holm=1.0,
    )
    (_, row) = csv.reader(io.StringIO(comparisons_csv([one])))  # type: ignore[list-item]
    assert row[5:8] == ["'=HYPERLINK(1)", "'@x", "-0.1000"]


def test_latex_is_escaped() -> None:
    text = latex(TABLE)
    assert r"who \& what & n & nDCG@10 \\" in text
    assert r"minilm\_r1 50\% & 3 & 0.5000 [0.400, 0.600] \\" in text
    assert r"\toprule" in text
    assert r"\caption{Scores of a\_b: 95 \% \{\textbackslash{}\}}" in text
    assert r"none & -- & -- \\" in text


@pytest.mark.parametrize("name", ["retrieval", "inout", "fusion", "classification", "clustering", "costs", "licences"])
def test_every_table_of_the_page_is_exported(cell: Path, name: str) -> None:
    for form in ("csv", "latex"):
        export_stage.table(name, form, cell / "out")  # type: ignore[arg-type]
    rows = list(csv.reader((cell / f"out/{name}.csv").open(encoding="utf-8")))
    assert len(rows) > 1
    assert (cell / f"out/{name}.tex").read_text().count(r"\\") >= len(rows)


def test_an_unknown_table_is_named(cell: Path) -> None:
    with pytest.raises(UserError, match="did you mean retrieval"):
        export_stage.table("retreival", "csv", cell / "out")


def test_costs_become_the_evaluation_time(cell: Path) -> None:
    write_json(layout.cost("embed", L), {"seconds": 2.0})
    write_json(layout.cost("search", L), {"seconds": 1.5})
    export_stage.mteb(cell / "out")
    (path,) = (cell / "out/results").glob("*/*/SimAlphaPatentRetrieval.json")
    assert json.loads(path.read_text())["evaluation_time"] == 3.5
