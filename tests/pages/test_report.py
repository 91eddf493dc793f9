"""The report of a small finished cell: files, numbers, sentences, and the page's text."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import html.parser
import json
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cells import HOSTILE, write_cell
from typer.testing import CliRunner
from workspaces import change

from patent_embeddings.core import layout, params, registry, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import write_json
from patent_embeddings.corpus.entries import Landscape
from patent_embeddings.corpus.feasibility import unclassified, unclustered
from patent_embeddings.evaluation import scores as scores_
from patent_embeddings.evaluation.schemas import SCORES
from patent_embeddings.grid import keys
from patent_embeddings.pages.cell import pictures, report
from patent_embeddings.pages.cell import scores as sheets
from patent_embeddings.pages.cell.last_lines import kept
from patent_embeddings.pages.cell.notes import missing, noted
from patent_embeddings.pages.cell.page import facts, page
from patent_embeddings.pages.cell.provenance import fewer, training
from patent_embeddings.pages.cell.queries import example
from patent_embeddings.pages.cell.results import CellResults
from patent_embeddings.retrieval.schemas import RUN
from stages import report as report_stage

COLUMNS = ["landscape", "simulated", "task", "system", "scope", "metric", "value", "ci_low", "ci_high", "n"]


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_cell(tmp_path)
    return tmp_path


class Text(html.parser.HTMLParser):
    """Text of a page outside of scripts and styles, its elements and where they point to."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.scripts = 0
        self._skipping = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self._skipping += tag in ("script", "style")
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]

    def handle_endtag(self, tag: str) -> None:
        self._skipping -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.words.append(data)

    @classmethod
    def of(cls, page: str) -> Text:
        parser = cls()
        parser.feed(page)
        return parser

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def gathered() -> CellResults:
    return report.gather(keys.report(params.load()))


def drawn(name: str, cell: CellResults) -> list[dict[str, Any]]:
    return pictures.PLOTS[name].data(cell)


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.mark.pipeline
def test_command_writes_every_file_twice_the_same_and_prints_a_short_table(finished: Path) -> None:
    first = CliRunner().invoke(report_stage.app, [])
    assert first.exit_code == 0, first.output
    lines = first.output.splitlines()
    assert 4 <= len(lines) <= 12
    assert max(map(len, lines)) <= 100
    assert lines[-1] == "page: reports/index.html"
    assert any(line.startswith("sim-beta") for line in lines)
    assert "say nothing about real patents" in first.output

    before = digests(finished / "reports")
    assert {"scores.csv", "metrics.json", "index.html", "plots/headline.csv", "figures/inout.svg"} <= set(before)
    assert CliRunner().invoke(report_stage.app, []).exit_code == 0
    assert digests(finished / "reports") == before

    shown = CliRunner().invoke(report_stage.app, ["--show"])
    assert shown.output == first.output
    assert digests(finished / "reports") == before
    assert kept() == first.output.rstrip("\n")
    with layout.SCORES.open("a") as file:  # scores of another cell, as git checks them out
        file.write("\n")
    assert kept() is None
    for damaged in ("{}", "[]"):
        layout.SUMMARY.write_text(damaged)
        assert kept() is None


def test_scores_file_is_the_score_tables_to_four_decimals(finished: Path) -> None:
    cell = gathered()
    with_rows = list(csv.reader(scores_.scores_csv(cell.scores).splitlines()))
    assert with_rows[0] == COLUMNS
    keys = [(row[0], *row[2:6]) for row in with_rows[1:]]
    assert keys == sorted(keys)
    expected = pd.concat([tables.read(layout.scores(name), SCORES) for name in ("sim-alpha", "sim-beta")])
    by_key = {(r.landscape, r.task, r.system, r.scope, r.metric): r for r in expected.itertuples()}
    assert len(keys) == len(by_key) > 0
    for row, key in zip(with_rows[1:], keys, strict=True):
        assert row[1] == "true"
        assert row[6] == format(by_key[key].value, ".4f")
        few = key[3] == "out"  # five queries: no interval
        assert all(number == "" if few else re.fullmatch(r"-?\d+\.\d{4}", number) for number in row[7:9])
        assert row[9] == ("5" if few else "10")


def test_a_score_without_an_interval_shows_none_anywhere(finished: Path) -> None:
    report.write(gathered())
    read = scores_.read_scores()
    assert (read["ci_low"].isna() == (read["scope"] == "out")).all()
    assert read["ci_low"].isna().equals(read["ci_high"].isna())
    assert read["value"].dtype == read["ci_low"].dtype == "float64"
    text = layout.PAGE.read_text(encoding="utf-8")
    assert not re.search(r"\bnan\b", Text.of(text).text, re.IGNORECASE)
    rows = pd.DataFrame(
        [("mine", False, "retrieval", "dense", "all", "nDCG@10", 0.5, math.nan, math.nan, 3)], columns=COLUMNS
    )
    shown = drawn("headline", dataclasses.replace(gathered(), scores=rows.assign(landscape="sim-alpha")))
    assert [(row["value"], row["ci_low"], row["ci_high"]) for row in shown] == [(0.5, None, None)]
    assert pictures.PLOTS["headline"].csv(shown).splitlines()[1].endswith(",0.5000,,")


def test_scores_file_says_false_for_a_real_landscape_and_has_no_negative_zero() -> None:
    rows = pd.DataFrame(
        [("mine", False, "clustering", "random", "own", "AMI", -0.00001, -0.2, 0.1, 7)], columns=COLUMNS
    )
    assert scores_.scores_csv(rows).splitlines()[1] == "mine,false,clustering,random,own,AMI,0.0000,-0.2000,0.1000,7"


def test_headline_numbers_are_the_scores_that_their_names_promise(finished: Path) -> None:
    report.write(gathered())
    numbers = json.loads(layout.HEADLINE.read_text(encoding="utf-8"))
    scores = list(csv.DictReader(layout.SCORES.read_text(encoding="utf-8").splitlines()))

    def score(*key: str) -> float:
        found = [r for r in scores if (r["landscape"], r["task"], r["system"], r["scope"], r["metric"]) == key]
        assert len(found) == 1
        return float(found[0]["value"])

    for name in ("sim-alpha", "sim-beta"):
        assert numbers[name] == {
            "ndcg": score(name, "retrieval", "dense", "all", "nDCG@10"),
            "out": score(name, "retrieval", "dense", "out", "nDCG@10"),
            "fused": score(name, "retrieval", "interpolation", "all", "nDCG@10"),
            "f1": score(name, "classification", "probe", "ipc-subclass", "micro-F1"),
            "ami": score(name, "clustering", "kmeans", "ipc-subclass", "AMI"),
        }


def test_pictures_leave_oracles_out_but_for_their_mark_on_the_curve(finished: Path) -> None:
    shown = {name: drawn(name, gathered()) for name in pictures.PLOTS}
    assert {row["system"] for row in shown["headline"]} == {"bm25", "dense", "rrf", "interpolation"}
    assert {row["scope"] for row in shown["inout"]} == {"in", "out"}
    assert {row["panel"] for row in shown["headline"]} == {
        f"sim-{x} (simulated), 10 test queries" for x in ("alpha", "beta")
    }
    marks = [
        (row["panel"][:9], row["method"], row["setting"], row["split"], row["mark"])
        for row in shown["fusion"]
        if row["mark"]
    ]
    assert sorted(marks) == sorted(
        (name, method, setting, "test", mark)
        for name in ("sim-alpha", "sim-beta ")
        for method, setting, mark in [
            ("interpolation", 0.6, "chosen"),
            ("interpolation", 0.7, "oracle"),
            ("rrf", 60.0, "chosen"),
            ("rrf", 60.0, "oracle"),
        ]
    )  # fmt: skip


def test_page_is_self_contained_and_names_what_it_measures(finished: Path) -> None:
    found = Text.of(page(gathered()))
    assert [link for link in found.links if not link.startswith(("data:", "#"))] == []
    for wanted in [
        "sim-alpha and sim-beta are simulated", "say nothing about real patents",
        "sentence-transformers/all-MiniLM-L6-v2",
        "In-domain against out-of-domain", "micro-F1", "random", "oracle-interpolation (tuned on test, not a score)",
        "weight of dense 0.6", "k = 60",
        "Mean over the test queries (10 of sim-alpha, 10 of sim-beta), with 95 %",
        "20 relevant pairs: 10 IN, 10 OUT, 0 of unknown scope",
        "12 (30%)", "3 (8%)", "full (95%)", "CC0-1.0", "apache-2.0", "tac for TAC", "17",
    ]:  # fmt: skip
        assert wanted in found.text, wanted


def test_page_of_real_landscapes_has_no_banner(finished: Path) -> None:
    block = {
        "source": "table",
        "description": "Mine.",
        "licence": "CC-BY-4.0",
        "file": "data/raw/mine.jsonl",
        "sha256": "0" * 64,
    }
    entry = registry.validated("landscapes", "mine", block, Landscape)
    cell = gathered()
    real = dataclasses.replace(cell, landscapes=[dataclasses.replace(place, entry=entry) for place in cell.landscapes])
    made = page(real)
    found = Text.of(made).text
    assert "say nothing about real patents" not in found
    assert "(simulated)" not in made
    assert "CC-BY-4.0" in found


def test_untrusted_titles_stay_text(finished: Path) -> None:
    made = page(gathered())
    found = Text.of(made)
    assert "<script>document.title" not in made
    assert "<b>valve" not in made
    assert " ".join(HOSTILE.split()) in found.text
    assert found.scripts == 3
    embedded = re.search(r'<script type="application/json" id="charts">(.*?)</script>', made, flags=re.S)
    assert embedded
    assert not set("<>&\u2028\u2029") & set(embedded.group(1))
    assert set(json.loads(embedded.group(1))) == {
        "headline",
        "inout",
        "fusion",
        "classification",
        "clustering",
        "training",
    }


def test_training_counts_pairs_negatives_and_families_seen(finished: Path) -> None:
    shown = training(gathered())
    assert shown is not None
    assert shown["pairs"].rows == [["section", 4, 8]]
    assert (shown["used"], shown["fewer"]) == (4, "fewer than the 384 asked for: sim-alpha has no more")
    assert shown["negatives"] == 2.0  # batches of four: less itself, less the one in conflict
    assert shown["kept"] == (30, 0.9)
    assert shown["seen"] == [("sim-alpha", 4, 40), ("sim-beta", 0, 40)]
    assert "fewer than the 384 asked for" in Text.of(page(gathered())).text


def test_adapters_that_are_merged_have_negatives_of_their_own_landscape_and_no_common_checkpoint(
    finished: Path,
) -> None:
    cell = gathered()
    merging = cell.values.model_copy(update={"recipe": cell.values.recipe.model_copy(update={"merge": True})})
    # Positions 0 and 1 are of one landscape, 2 and 3 of another; each pair is in conflict with the next one.
    places = cell.pairs["position"].map(lambda place: "sim-alpha" if place < 2 else "sim-beta")
    merged = dataclasses.replace(cell, values=merging, pairs=cell.pairs.assign(landscape=places))
    shown = training(merged)
    assert shown is not None
    assert shown["negatives"] == 0.5  # one other pair in the part, which is in conflict with half of them
    assert shown["kept"] is None
    assert "checkpoint kept" not in Text.of(page(merged)).text


@pytest.mark.parametrize(
    ("used", "steps", "sources", "said"),
    [
        (384, 16, ["a"], ""),
        (240, 10, ["a"], "the steps have room for 240"),
        (200, 10, ["a"], "the steps have room for 240; a has no more"),
        (200, 24, ["a"], "a has no more"),
        (200, 24, ["a", "b"], "a and b give equal shares, and not all have enough"),
    ],
)
def test_fewer_pairs_than_asked_for_have_their_true_cause(
    finished: Path, used: int, steps: int, sources: list[str], said: str
) -> None:
    options = params.load().finetune.model_copy(update={"steps": steps})  # 384 pairs in batches of 24
    expected = f"fewer than the 384 asked for: {said}" if said else ""
    assert fewer(used, options, sources) == expected


def test_the_fusion_picture_counts_the_queries_that_are_scored(finished: Path) -> None:
    cell = gathered()
    panels = {row["panel"] for row in pictures.PLOTS["fusion"].data(cell)}
    assert panels == {f"sim-{name} (simulated), 10 test and 5 dev queries, nDCG@10" for name in ("alpha", "beta")}
    fewer_scored = [
        dataclasses.replace(one, outcomes=one.outcomes[~one.outcomes["query_id"].str.endswith(("-000", "-010"))])
        for one in cell.landscapes
    ]
    panels = {row["panel"] for row in pictures.PLOTS["fusion"].data(dataclasses.replace(cell, landscapes=fewer_scored))}
    assert panels == {f"sim-{name} (simulated), 9 test and 4 dev queries, nDCG@10" for name in ("alpha", "beta")}


def test_facts_name_the_reranker_and_the_length_of_queries_of_their_own(finished: Path) -> None:
    values = keys.report(params.load())
    assert not {"Reranked"} & {term for term, _ in facts(gathered())}
    rerank = values.cell.rerank.model_copy(update={"model": "minilm-cross", "depth": 50})
    changes = {
        "cell": values.cell.model_copy(update={"rerank": rerank}),
        "model": values.model.model_copy(update={"query_length": 32}),
    }
    found = dict(facts(dataclasses.replace(gathered(), values=values.model_copy(update=changes))))
    assert found["Reranked"] == "the top 50 of rrf, by minilm-cross"
    assert found["Texts cut at"] == "256 tokens, queries at 32"


def test_zero_shot_page_says_that_nothing_was_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_cell(tmp_path, recipe="zero-shot")
    made = page(gathered())
    assert "Zero-shot: nothing was trained" in Text.of(made).text
    assert "<title>minilm, zero-shot</title>" in made
    assert 'data-chart="training"' not in made
    assert pictures.PLOTS["training"].csv(drawn("training", gathered())) == "split,optimiser_step,loss\n"


def test_the_heading_names_where_it_was_trained_not_where_it_was_held_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cell(tmp_path, recipe="r1-all")
    text = layout.PARAMS.read_text(encoding="utf-8")
    assert "held_out: []" in text and "landscape: sim-alpha" in text
    layout.PARAMS.write_text(text.replace("held_out: []", "held_out: [sim-alpha]"), encoding="utf-8")
    assert "tuned with r1-all on sim-beta" in Text.of(page(gathered())).text


@pytest.mark.pipeline
@pytest.mark.parametrize(
    ("lacking", "sentence", "headline"),
    [
        ("citations", "sim-beta has no citations between its families: no retrieval and no fusion.", {"f1", "ami"}),
        ("codes", "sim-beta has neither codes nor labels: no classification and no clustering.", {"ndcg", "fused"}),
    ],
)
def test_what_was_not_possible_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str, sentence: str, headline: set[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cell(tmp_path, without=lacking)
    result = CliRunner().invoke(report_stage.app, [])
    assert result.exit_code == 0, result.output
    found = Text.of(layout.PAGE.read_text(encoding="utf-8")).text
    assert sentence in found
    assert missing(gathered(), gathered().landscapes[0]) == []
    assert set(json.loads(layout.HEADLINE.read_text(encoding="utf-8"))["sim-beta"]) == headline
    if lacking == "codes":
        assert "0 IN, 0 OUT, 20 of unknown scope" in found
        assert "sim-beta has no test query with relevant families IN or OUT." in found


def test_a_task_that_has_no_score_is_said_with_its_reason() -> None:
    def labels(*rows: tuple[str, str, str]) -> pd.DataFrame:
        return pd.DataFrame(
            [(name, "ipc-class", [code], split) for name, code, split in rows],
            columns=["family_id", "label_set", "labels", "split"],
        )

    assert (
        unclassified(labels(("a", "A01", "train"))) == "has no family with a code or label in its dev and test splits"
    )
    assert (
        unclassified(labels(("a", "A01", "train"), ("b", "A01", "test")))
        == "has no family with a code or label in its dev split"
    )
    assert unclustered(labels(("a", "A01", "train"))) == "has no family with a code or label in its test split"
    assert (
        unclustered(labels(("a", "A01", "test"), ("b", "A01", "test")))
        == "has one code or label only among its 2 test families"
    )
    assert "fewer than two for each" in unclustered(labels(("a", "A01", "test"), ("b", "B01", "test")))


def test_the_short_table_says_what_has_no_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cell(tmp_path, without="citations")
    for name in ("sim-alpha", "sim-beta"):  # nothing of the second is scored
        scores = tables.read(layout.scores(name), SCORES)
        tables.write(
            scores[scores["task"] == "retrieval"] if name == "sim-beta" else scores, layout.scores(name), SCORES
        )
    for arguments in ([], ["--show"]):
        report_stage.main(*([True] if arguments else []))
        out = capsys.readouterr().out
        assert "sim-beta has no citations between its families: no retrieval and no fusion." in out
        assert "sim-beta has" in out and ": no classification." in out and ": no clustering." in out
        assert "sim-alpha has" not in out


def test_scores_that_came_with_git_are_shown_without_what_another_cell_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cell(tmp_path, without="citations")
    report_stage.main()
    assert "sim-beta has no citations" in capsys.readouterr().out
    text = layout.SCORES.read_text(encoding="utf-8")
    layout.SCORES.write_text(text.replace("sim-beta", "sim-gamma"), encoding="utf-8")  # of another cell
    report_stage.main(show=True)
    shown = capsys.readouterr().out
    assert "sim-gamma" in shown and "sim-beta" not in shown and "page:" not in shown


def test_a_table_that_is_older_than_params_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cell(tmp_path)
    report_stage.main()
    table = capsys.readouterr().out
    change(tmp_path, search__engine="ray")  # the same scores
    report_stage.main(show=True)
    assert capsys.readouterr() == (table, "")
    change(tmp_path, bm25__k1=1.5)
    report_stage.main(show=True)
    out, said = capsys.readouterr()
    assert out == table
    older = "stage report ran with cell.bm25.k1 0.9, it is 1.5 now"
    assert said == f"this table was computed before a change: {older}; run `dvc repro`\n"


def test_the_page_says_what_to_bear_in_mind(finished: Path) -> None:
    record = {
        "seconds": 1.0,
        "notes": {
            "citations kept": 3,
            "ipc entries left out, no codes": "2 of 60, such as 'x' of family 'F1'",
            "columns ignored": ["x"],
        },
    }
    write_json(layout.cost("download", "sim-beta"), record)
    cell = gathered()
    assert noted(cell, cell.landscapes[0]) == []
    assert noted(cell, cell.landscapes[1]) == [
        "sim-beta: ipc entries left out, no codes: 2 of 60, such as 'x' of family 'F1'."
    ]
    assert "2 of 60, such as" in Text.of(page(cell)).text
    text = layout.PARAMS.read_text(encoding="utf-8").replace("pool: all", "pool: earlier")
    layout.PARAMS.write_text(text, encoding="utf-8")
    cell = gathered()  # every family is of one day
    assert "30 of 30 relevant pairs (20 of 20 of the test queries)" in noted(cell, cell.landscapes[0])[0]


def test_worked_example_marks_exactly_the_relevant_families(finished: Path) -> None:
    cell = gathered()
    shown = example(cell, cell.landscapes[0])
    assert shown is not None
    assert (shown["query"], shown["title"], shown["codes"]) == ("sim-alpha-000", HOSTILE, "A61")
    assert [system["name"] for system in shown["systems"]] == ["bm25", "dense", "rrf", "interpolation"]
    relevant = {"sim-alpha-020": "in", "sim-alpha-021": "out"}
    for system in shown["systems"]:
        run = tables.read(layout.run("sim-alpha", system["name"]), RUN)
        best = run[run["query_id"] == shown["query"]].sort_values("rank")["family_id"].tolist()
        assert [result["id"] for result in system["top"]] == best[:5]
        assert [result["scope"] for result in system["top"]] == [relevant.get(family) for family in best[:5]]
        assert system["first"] == 1 + min(best.index(family) for family in relevant if family in best)


def test_missing_table_is_one_clear_line(finished: Path) -> None:
    layout.fusion("sim-beta").unlink()
    with pytest.raises(UserError, match=r"data/fusion/sim-beta\.parquet: no such file"):
        gathered()
    assert not layout.REPORTS.exists()


def test_table_before_any_report_is_one_clear_line(finished: Path) -> None:
    result = CliRunner().invoke(report_stage.app, ["--show"])
    assert isinstance(result.exception, UserError)
    assert "reports/scores.csv" in str(result.exception)


def test_the_page_says_what_the_adapter_is_weighed_by(finished: Path) -> None:
    values = keys.report(params.load())
    embed = values.cell.embed.model_copy(update={"adapter_scale": 0.5})
    half = {"recipe": values.recipe.model_copy(update={"weight": 0.5})}
    scaled = {"cell": values.cell.model_copy(update={"embed": embed})}
    for changes, said in (
        ({}, None),
        (half, "0.5 of the recipe"),
        (scaled, "0.5 when embedding"),
        (half | scaled, "0.5 of the recipe times 0.5 when embedding"),
    ):
        cell = dataclasses.replace(gathered(), values=values.model_copy(update=changes))
        assert dict(facts(cell)).get("Adapter weighed") == said


def test_counts_that_differ_are_words_which_no_spreadsheet_takes_for_a_date(finished: Path) -> None:
    sheet = sheets.inout(gathered())
    assert sheet and {row[2] for row in sheet.rows} == {"10 IN, 5 OUT, 10 both"}
    whole = sheets.retrieval(gathered())
    assert whole and {row[2] for row in whole.rows} == {10}


def test_published_figures_stand_beside_ours_over_all_queries(finished: Path) -> None:
    cell = gathered()
    assert sheets.published(cell) is None
    row = {"name": "minilm", "scope": "all", "metric": "nDCG@10", "source": "a paper", "certainty": "read", "note": "",
           "value": 0.4, "low": math.nan, "high": math.nan, "ours": 0.5}  # fmt: skip
    places = [dataclasses.replace(cell.landscapes[0], published=pd.DataFrame([row])), cell.landscapes[1]]
    shown = sheets.published(dataclasses.replace(cell, landscapes=places))
    assert shown and shown.rows == [["sim-alpha", "minilm", "all", "nDCG@10", "a paper", "read", None, 0.4, 0.5]]
    # Ten test queries and five dev ones.
    assert shown.caption == "Mean over all queries: train, dev and test together (15 of sim-alpha)"
