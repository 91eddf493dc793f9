"""Twenty questions and the patents that answer them, stage by stage: scored on all, fused over folds, exported."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import ir_measures
import numpy as np
import pandas as pd
import pytest
import started
import tiny
import workspaces

from patent_embeddings.core import command, layout, params, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256
from patent_embeddings.corpus import own
from patent_embeddings.corpus.schemas import ASKED, POOL, QRELS, QUERIES, RELATIONS
from patent_embeddings.corpus.splits import fold_of
from patent_embeddings.corpus.user import judgement_files, stored_judgements
from patent_embeddings.evaluation.schemas import OUTCOMES, SCORES
from patent_embeddings.handover import trec
from patent_embeddings.handover.exported_cell import subject
from patent_embeddings.pages.find import search
from patent_embeddings.retrieval.schemas import FUSION, RUN
from stages import find

pytestmark = pytest.mark.pipeline

L = "mine"
stages = partial(started.stages, L)
THINGS = ("pump", "valve", "rope", "wheel", "seal", "lamp", "drum", "hinge", "spring", "blade")
STAGES = ("check", "download", "views", "tasks", "lengths", "pairs", "finetune", "embed", "bm25", "search", "fuse",
          "rerank", "metrics", "report")  # fmt: skip
BINARY = ("R@100", "AP", "RR")


def written(folder: Path, dates: bool = True) -> tuple[Path, Path, Path]:
    """A landscape in our own form, a spreadsheet of questions and TREC's qrels, whose families are named by number."""
    rng = np.random.default_rng(7)
    lines = []
    for number in range(60):
        one, two = THINGS[number % 10], THINGS[(number // 10 + number) % 10]
        codes = [f"{'AB'[number % 2]}{number % 3 + 10}B1/00"] if number % 7 else []
        lines.append(
            {
                "family_id": f"F{number:02d}", "title": f"a {one} with a {two}", "abstract": f"a {two} turns the {one}",
                "claims": f"1. A {one}.", "ipc": codes, "date": f"20{number % 20:02d}-01-01",
                "publications": [f"US-20130{number:02d}542-A1"],
            }
        )  # fmt: skip
    families = folder / "families.jsonl"
    pd.DataFrame(lines).to_json(families, orient="records", lines=True)
    questions, judged = folder / "questions.dat", folder / "judged.dat"
    rows = ["query_id,text,ipc,date"]
    for query in range(20):
        code = "A10B 1/00; B11B" if query % 3 else ""
        rows.append(f"q{query:02d},how does a {THINGS[query % 10]} turn?,{code},{'2019-05-01' if dates else ''}")
    questions.write_text("\n".join(rows) + "\n")
    qrels = [
        f"q{query:02d} 0 US 2013/0{family:02d}542 A1 {rng.integers(-1, 4)}"
        for query in range(20)
        for family in rng.permutation(60)[:12]
    ]
    judged.write_text("\n".join([*qrels, "q00 0 US 2013/000542 A1 3", "q00 0 US20130000542 1"]) + "\n")
    return families, questions, judged


def registered(folder: Path, threshold: int = 2, dates: bool = True) -> None:
    """What `landscape add` leaves: three files and an entry."""
    families, questions, judged = written(folder, dates)
    target = layout.raw(L, ".jsonl")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(families, target)
    queries, relations, notes = judgement_files.read(questions, judged, own.parse(target).families, {})
    beside = {}
    for name, frame, table in (("queries", queries, ASKED), ("qrels", relations, RELATIONS)):
        path = layout.raw(L, f".{name}.parquet")
        stored_judgements.write(frame, table, path, notes)
        beside[name] = {"file": path.as_posix(), "sha256": sha256(path)}
    entry = {"source": "table", "description": "Twenty questions.", "licence": "CC0-1.0", "relevance": "judged"}
    entry |= {"threshold": threshold, "file": target.as_posix(), "sha256": sha256(target), **beside}
    workspaces.register(folder, "landscapes", L, entry)


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with the whole zero-shot cell of a tiny model."""
    folder = tmp_path_factory.mktemp("judged")
    workspaces.prepare(folder)
    model = tiny.entry(tiny.bert(folder / "model")).model_dump(exclude_defaults=True)
    workspaces.register(folder, "models", "tiny", model)
    workspaces.change(folder, model="tiny", recipe="zero-shot", landscape=L, evaluate_on=[L])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        registered(folder)
        stages(*STAGES)
        yield folder


def test_every_question_is_scored_and_none_is_ranked(cell: Path) -> None:
    queries = tables.read(layout.task(L, "queries"), QUERIES)
    assert queries["query_id"].tolist() == [f"q{number:02d}" for number in range(20)]
    assert set(queries["split"]) == {"test"} and (queries["text"] != "").all()
    assert list(queries["ipc"][1]) == ["A10B1/00", "B11B"] and queries["date"][1] == "2019-05-01"
    pool = tables.read(layout.task(L, "pool"), POOL).set_index("family_id")
    assert not pool.loc[queries["query_id"], "ranked"].any() and pool["ranked"].sum() == 60
    assert set(pool["split"]) == {"train", "dev", "test"}  # labels keep theirs
    scores = tables.read(layout.scores(L), SCORES)
    assert (scores.loc[(scores["task"] == "retrieval") & (scores["scope"] == "all"), "n"] == 20).all()


def test_scopes_are_by_the_questions_own_codes(cell: Path) -> None:
    qrels = tables.read(layout.task(L, "qrels"), QRELS)
    for query, family, scope in zip(qrels["query_id"], qrels["family_id"], qrels["scope"], strict=True):
        number = int(family[1:])
        code = f"{'AB'[number % 2]}{number % 3 + 10}"
        known = int(query[1:]) % 3 and number % 7
        assert scope == (("in" if code in ("A10", "B11") else "out") if known else "unknown")


def test_of_two_grades_the_higher_counts_and_negative_ones_are_judged(cell: Path) -> None:
    qrels = tables.read(layout.task(L, "qrels"), QRELS).set_index(["query_id", "family_id"])["relevance"]
    assert qrels["q00", "F00"] == 3 and qrels.min() == 0
    page = (cell / layout.PAGE).read_text(encoding="utf-8")
    assert "with two grades, of which the higher counts" in page


def test_fusion_is_cross_fitted(cell: Path) -> None:
    """Each question is fused with the value that is best, by ir-measures, on the questions of all other folds."""
    table = tables.read(layout.fusion(L), FUSION)
    folds = fold_of([f"q{number:02d}" for number in range(20)], 0)
    qrels = tables.read(layout.task(L, "qrels"), QRELS)
    outcomes = tables.read(layout.outcomes(L), OUTCOMES)
    assert set(table["split"]) == {"test", *(f"fold-{fold}" for fold in folds.values())}
    runs = {name: tables.read(layout.run(L, name), RUN) for name in ("bm25", "dense", "rrf")}
    ranks = {name: {(row.query_id, row.family_id): row.rank for row in run.itertuples()} for name, run in runs.items()}
    found = {}
    for k in (10.0, 30.0, 60.0, 100.0):
        values = by_hand(ranks["bm25"], ranks["dense"], k, qrels)
        for fold in set(folds.values()):
            others = [values[query] for query in values if folds[query] != fold]
            found[k, f"fold-{fold}"] = float(np.mean(others))
        found[k, "test"] = float(np.mean(list(values.values())))
    rrf = table[table["method"] == "rrf"].set_index(["value", "split"])
    assert rrf["score"].to_dict() == pytest.approx(found, abs=1e-9)
    chosen = {split: value for (value, split), row in rrf.iterrows() if row["chosen"] and split != "test"}
    assert set(chosen) == {f"fold-{fold}" for fold in folds.values()}
    scored = outcomes[(outcomes["system"] == "rrf") & (outcomes["scope"] == "all") & (outcomes["metric"] == "nDCG@10")]
    for query, value in zip(scored["query_id"], scored["value"], strict=True):
        own_ = by_hand(ranks["bm25"], ranks["dense"], chosen[f"fold-{folds[query]}"], qrels)[query]
        assert value == pytest.approx(own_, abs=1e-9)


def by_hand(
    first: dict[tuple[str, str], int], second: dict[tuple[str, str], int], k: float, qrels: pd.DataFrame
) -> dict[str, float]:
    """nDCG@10 of reciprocal rank fusion, each query by itself."""
    grade = {(row.query_id, row.family_id): row.relevance for row in qrels.itertuples()}
    out = {}
    for query in sorted(set(qrels["query_id"])):
        pairs = [pair for pair in {**first, **second} if pair[0] == query]
        score = {
            pair[1]: np.float32(sum(1 / (k + leg[pair]) for leg in (first, second) if pair in leg)) for pair in pairs
        }
        best = sorted(score, key=lambda family: (-score[family], family))[:10]
        gains = sorted((value for (asked_, _), value in grade.items() if asked_ == query), reverse=True)[:10]
        ideal = sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))
        out[query] = sum(grade.get((query, one), 0) / math.log2(place + 2) for place, one in enumerate(best)) / ideal
    return out


def test_exported_runs_and_qrels_give_the_same_scores(cell: Path) -> None:
    said = trec.write(cell / "trec", L, subject(params.load()))
    assert "nDCG@10 'R(rel=2)@100'" in said
    scores = tables.read(layout.scores(L), SCORES).set_index(["system", "scope", "metric"])["value"]
    checked = 0
    for scope in ("all", "in", "out", "in-paired", "out-paired"):
        qrels = list(ir_measures.read_trec_qrels(str(cell / f"trec/qrels.{scope}.txt")))
        for system in ("bm25", "dense", "rrf", "interpolation"):
            run = list(ir_measures.read_trec_run(str(cell / f"trec/{system}.run")))
            for metric in ("nDCG@10", "nDCG@100", "Judged@10", *BINARY):
                name = metric
                if metric in BINARY:  # the entry's threshold
                    head, _, cut = metric.partition("@")
                    name = f"{head}(rel=2){'@' * bool(cut)}{cut}"
                measure = ir_measures.parse_measure(name)
                theirs = ir_measures.calc_aggregate([measure], qrels, run)[measure]
                assert scores[system, scope, metric] == pytest.approx(theirs, abs=1e-9), (system, scope, metric)
                checked += 1
    assert checked == 120


def test_the_page_says_what_was_judged_and_chosen(cell: Path) -> None:
    page = (cell / layout.PAGE).read_text(encoding="utf-8")
    assert "20 of 20 queries are texts, not families" in page
    assert "Judged@10" in page and "how does a" in page and "cross-fitted" in page
    assert "each query is a family" not in page
    # No second stage is shown where none was chosen.
    assert "A worked example" in page and "<h4>interpolation</h4>" in page and "<h4>reranked</h4>" not in page
    assert "Judged@10" in (cell / layout.SCORES).read_text(encoding="utf-8")


def test_without_dates_what_is_earlier_cannot_be_ranked(cell: Path, tmp_path: Path) -> None:
    workspaces.prepare(tmp_path)
    workspaces.change(tmp_path, recipe="zero-shot", landscape=L, evaluate_on=[L], tasks__pool="earlier")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        registered(tmp_path, dates=False)
        stages("check", "download")
        with pytest.raises(UserError, match=r"20 of the 20 queries .*no families have no date, such as 'q00'"):
            stages("tasks")


def test_a_threshold_above_every_grade_is_refused_before_anything_is_embedded(tmp_path: Path) -> None:
    """Set by hand: `landscape add` refuses it. R@100, AP and RR would be 0 for every system."""
    workspaces.prepare(tmp_path)
    workspaces.change(tmp_path, recipe="zero-shot", landscape=L, evaluate_on=[L])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        registered(tmp_path, threshold=4)
        stages("check", "download")
        with pytest.raises(UserError, match=r"threshold 4 of landscape 'mine': the highest grade .* is 3, .*or less"):
            stages("tasks")


def test_what_find_finds_is_pooled_from_the_runs_judged_and_read(cell: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question's five best by every run, once; what is filled in is what a landscape is scored by."""
    monkeypatch.setattr(search, "require_current", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["find", "--queries", "questions.dat", "--judge", "found.csv", "-k", "5"])
    with pytest.raises(SystemExit) as ended:
        command.run(find.app)
    assert not ended.value.code
    table = pd.read_csv(cell / "found.csv", dtype=str, keep_default_na=False, encoding="utf-8-sig")
    wanted: dict[tuple[str, str], set[str]] = {}
    for system in ("bm25", "dense", "rrf", "interpolation"):
        for row in tables.read(layout.run(L, system), RUN).query("rank <= 5").itertuples():
            wanted.setdefault((str(row.query_id), str(row.family_id)), set()).add(f"{system} {row.rank}")
    found = {
        (row.query_id, row.family_id): set(row.found_by.partition(": ")[2].split(", ")) for row in table.itertuples()
    }
    assert found == wanted and len(table) == len(wanted)
    grades = ["2", "", "0", ""] * len(table)
    table["relevance"] = grades[: len(table)]
    table.to_csv(cell / "found.csv", sep=";", index=False)
    families = own.parse(layout.raw(L, ".jsonl")).families
    _, relations, notes = judgement_files.read(cell / "questions.dat", cell / "found.csv", families, {})
    judged = table[table["relevance"] != ""].sort_values(["query_id", "family_id"])
    assert relations["family_id"].tolist() == judged["family_id"].tolist()
    assert relations["relevance"].tolist() == judged["relevance"].astype(int).tolist()
    assert str(notes["rows whose grade is empty, not judged, left out"]).startswith(f"{len(table) - len(judged):,}, ")
