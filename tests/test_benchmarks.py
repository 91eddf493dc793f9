"""The benchmarks measure what they say, and notice a peer that disagrees."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import (
    comparison,
    encode,
    evaluation,
    index,
    metrics,
    page,
    profile,
    results,
    scale,
    statistics,
    texts,
    workspace,
)
from benchmarks.comparison import Agreement, Contest, Measurement
from benchmarks.hardware import record
from benchmarks.timing import ROOT, Sample, command, function, in_turn, ratio
from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.schemas import QUERIES
from patent_embeddings.retrieval.schemas import RUN

PAYLOADS = """
import os, sys
from patent_embeddings.core.errors import UserError

def allocate(mib):
    held = bytearray(mib << 20)
    return {"held": len(held), "cache": os.environ["XDG_CACHE_HOME"]}

def refuse():
    raise UserError("no such valve")
"""


def test_a_ratio_is_of_medians_and_its_range_of_turns() -> None:
    found = ratio(peer=[4.0, 6.0, 9.0], ours=[2.0, 2.0, 3.0])
    assert (found.value, found.low, found.high) == (3.0, 2.0, 3.0)
    with pytest.raises(ValueError, match="3 and 2"):
        ratio([1.0, 1.0, 1.0], [1.0, 1.0])


def test_contestants_run_in_turn_and_the_first_turn_is_checked() -> None:
    order: list[str] = []

    def contestant(name: str) -> Callable[[], Sample]:
        def once() -> Sample:
            order.append(name)
            return Sample(1.0, 1.0)

        return once

    samples = in_turn({name: contestant(name) for name in "ab"}, 3, lambda first: order.append("check"))
    assert order == ["a", "b", "check", "b", "a", "a", "b"]
    assert {name: len(found) for name, found in samples.items()} == {"a": 3, "b": 3}


def contest(ours: float, theirs: float) -> Contest:
    answers: Mapping[str, Callable[[], Sample]] = {
        "ours": lambda: Sample(2.0, 100.0, {"answer": ours}),
        "peer": lambda: Sample(5.0, 300.0, {"answer": theirs}),
    }
    nearness = Agreement("difference", 0.1, lambda a, b: abs(a.values["answer"] - b.values["answer"]))
    return Contest("toy", "case 1", "peer", answers, nearness, ("numpy",))


@pytest.mark.parametrize("theirs", [1.2, float("nan")])
def test_a_peer_with_another_answer_is_not_timed(theirs: float, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="do not give the same answer"):
        comparison.hold(contest(1.0, theirs), 3, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_contest_writes_every_turn_and_its_ratio(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    comparison.hold(contest(1.0, 1.05), 3, tmp_path)
    assert len(results.read("toy", tmp_path)) == 6
    (row,) = results.read(results.COMPARISONS, tmp_path)
    assert (row["ratio"], row["low"], row["high"], row["turns"]) == ("2.5", "2.5", "2.5", "3")
    assert (row["ours_mib"], row["theirs_mib"], row["tolerance"]) == ("100", "300", "0.1")
    assert float(row["difference"]) == pytest.approx(0.05)
    assert row["versions"] == f"numpy=={np.__version__}"
    assert "2.50 x (2.50 to 2.50 in 3 turns)" in capsys.readouterr().out


def test_a_limit_is_kept_or_not(tmp_path: Path) -> None:
    found = [Measurement("a", 3.0, "s", 3.0), Measurement("b", 3.1, "s", 3.0), Measurement("c", 9.0, "s")]
    comparison.note("toy", "case", found, (), tmp_path)
    assert [row["kept"] for row in results.read(results.MEASUREMENTS, tmp_path)] == ["yes", "no", ""]


def test_a_case_measured_again_replaces_its_rows_only(tmp_path: Path) -> None:
    results.store("toy", [{"case": "tac 10000", "turn": 0, "value": 1.0}], folder=tmp_path)
    results.store("toy", [{"case": "tac 500", "turn": turn, "value": 2.0} for turn in (0, 1)], folder=tmp_path)
    results.store("toy", [{"case": "tac 500", "turn": 0, "value": 1 / 3}], folder=tmp_path)
    assert (tmp_path / "toy.csv").read_text() == "case,turn,value\ntac 500,0,0.333333\ntac 10000,0,1\n"
    with pytest.raises(UserError, match="columns are not those"):
        results.store("toy", [{"case": "tac 500", "seconds": 1.0}], folder=tmp_path)


def test_the_record_has_the_machine_and_not_its_name() -> None:
    found = record(("numpy", "no-such-package"))
    assert found["versions"] == f"numpy=={np.__version__} no-such-package==absent"
    assert int(found["cores"]) >= 1 and float(found["memory_gib"]) > 0
    assert platform.node() not in " ".join(map(str, found.values()))


@pytest.fixture
def payloads(tmp_path: Path) -> Path:
    (tmp_path / "payloads.py").write_text(PAYLOADS)
    return tmp_path


def test_a_process_is_measured_from_outside(payloads: Path) -> None:
    small, large = (function("payloads:allocate", {"mib": mib}, payloads) for mib in (1, 300))
    assert large.values["held"] == 300 << 20
    assert 250 < large.peak_mib - small.peak_mib < 350
    assert 0 < small.seconds < 30
    # Each with a cache folder of its own, gone afterwards.
    assert small.values["cache"] != large.values["cache"]
    assert not Path(small.values["cache"]).exists()


def test_a_failing_process_is_named_with_its_last_line(payloads: Path) -> None:
    with pytest.raises(UserError, match="ended with 2: error: no such valve"):
        function("payloads:refuse", {}, payloads)
    with pytest.raises(UserError, match="ended with 3"):
        command(["-c", "raise SystemExit(3)"], payloads)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_the_exponent_of_a_power_law_is_found(exponent: float) -> None:
    sizes = [1_000, 10_000, 113_148]
    assert scale.slope(sizes, [3 * size**exponent for size in sizes]) == pytest.approx(exponent)


def test_exponents_need_two_sizes_and_show_the_last_step() -> None:
    rows = [
        {"stage": "search", "families": str(n), "seconds": str(5 + n * n / 1e4), "peak_mib": str(n)}
        for n in (100, 1_000, 10_000)
    ]
    rows.append({"stage": "fuse", "families": "100", "seconds": "1", "peak_mib": "1"})
    found = scale.exponents(rows)
    assert set(found) == {"search"}
    assert found["search"]["peak_mib"] == pytest.approx(1.0)
    # The constant start-up hides the square at small sizes only.
    assert found["search"]["seconds"] < 1.7 < found["search"]["last"] < 2.0


def test_the_share_of_families_that_ask_is_the_studys() -> None:
    assert scale.asking(113_148) == 46_069
    assert scale.asking(10_000) == 4_072


def test_ir_measures_agrees_on_the_planted_run_and_a_wrong_value_is_seen(tmp_path: Path) -> None:
    outs = {name: str(tmp_path / f"{name}.parquet") for name in ("ours", "peer")}
    metrics.ours(30, outs["ours"])
    metrics.plain(30, outs["peer"])
    sample = Sample(1.0, 1.0)
    assert metrics._difference(outs, sample, sample) <= 1e-9
    table = pd.read_parquet(outs["ours"])
    assert set(table["scope"]) == {"all", "in", "out"}
    assert table["value"].between(0.01, 0.99).mean() > 0.5  # neither all found nor all missed
    table.assign(value=table["value"] + 1e-6 * (table.index == table.index[7])).to_parquet(outs["ours"])
    assert metrics._difference(outs, sample, sample) == pytest.approx(1e-6)
    table.iloc[1:].to_parquet(outs["ours"])
    assert metrics._difference(outs, sample, sample) == float("inf")


def test_scipy_agrees_on_intervals_and_p_values(tmp_path: Path) -> None:
    outs = {name: str(tmp_path / f"{name}.npy") for name in ("ours", "peer")}
    statistics.ours(200, 3, 10_000, outs["ours"])
    statistics.plain(200, 3, 10_000, outs["peer"])
    sample = Sample(1.0, 1.0)
    # Drawn apart, so near and not the same.
    assert 0 < statistics._difference(outs, sample, sample) <= 1
    low, high = np.load(outs["ours"])[:3], np.load(outs["ours"])[3:6]
    np.testing.assert_allclose(low * statistics.BOUND, -1.96, atol=0.2)
    np.testing.assert_allclose(high * statistics.BOUND, 1.96, atol=0.2)


def test_recall_is_the_share_of_the_exact_best_that_is_found() -> None:
    best = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    found = np.array([[2, 1, 9, 3], [8, 7, -1, -1]])
    assert index.recall(found, best, 2) == (1 + 0) / 2
    assert index.recall(found, best, 4) == (3 / 4 + 2 / 4) / 2


def test_long_descriptions_have_the_length_asked_for_and_differ() -> None:
    made = texts.lengthened(pd.Series(["abc", "de", "f"]), 12)
    assert made == ["abc\nde\nf\nabc", "de\nf\nabc\nde", "f\nabc\nde\nf\na"]


def test_the_walls_of_a_profile_add_up() -> None:
    lines = [
        (0.0, "Verifying"),
        (1.0, "Running stage 'check':"),
        (2.5, "> python"),
        (3.0, "Running stage 'download@sim-alpha':"),
    ]
    assert profile.walls(lines, 10.0) == [("check", 2.0), ("download@sim-alpha", 7.0)]
    assert {"check", "bm25", "report"} <= set(profile.modules())


def test_what_a_stage_measured_is_read_where_there_is_any(tmp_path: Path) -> None:
    path = tmp_path / "data/costs/sim-alpha/embed.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"seconds": 2.5}')
    assert profile.own_seconds(tmp_path, "embed@sim-alpha") == 2.5
    assert profile.own_seconds(tmp_path, "check") == 0.0


def test_the_page_shows_what_there_is_and_says_what_is_missing(tmp_path: Path) -> None:
    empty = page.page(tmp_path)
    assert empty.count("Nothing measured yet") == 5
    comparison.hold(contest(1.0, 1.0), 2, tmp_path)
    comparison.note("toy", "case", [Measurement("gain <b>", 3.0, "s", 3.0)], (), tmp_path)
    hardware = record(("numpy",))
    grown = [
        {
            "case": f"{n} search",
            "families": n,
            "queries": 1,
            "stage": "search",
            "seconds": n / 10,
            "peak_mib": 10.0,
            **hardware,
        }
        for n in (100, 1000)
    ]
    results.store(scale.NAME, grown, ("families", "stage"), tmp_path)
    timed = [
        {"case": "cell", "stage": stage, "wall": wall, "own": 1.0, "share": wall / 100, **hardware}
        for stage, wall in (("embed", 97.0), ("check", 3.0))
    ]
    results.store("profile", timed, folder=tmp_path)
    text = page.page(tmp_path)
    assert "gain &lt;b&gt;" in text
    assert text.index("embed") < text.index("97.0%") < text.index("3.0%")
    assert 'src="http' not in text and 'href="http' not in text
    for name in ("ratios", "growth", "memory", "profile"):
        assert f'data-chart="{name}"' in text


@pytest.mark.pipeline
def test_operations_are_those_that_torch_counts() -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import BertConfig, BertModel

    config = BertConfig(hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96, vocab_size=50)
    config._attn_implementation = "eager"
    model = BertModel(config, add_pooling_layer=False).eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        for length in (7, 20):
            model(torch.zeros(1, length, dtype=torch.long))
    assert encode.operations([7, 20], config) == counter.get_total_flops()


@pytest.mark.pipeline
def test_the_stages_take_what_stands_in_for_bm25_and_embed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ("check", "download", "tasks", "bm25", "search", "fuse")
    monkeypatch.setattr(scale, "STAGES", kept)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("benchmarks.workspace.tempfile.TemporaryDirectory", _kept(tmp_path / "here"))
    samples = scale.measure(100, bm25=False)
    assert list(samples) == [stage for stage in kept if stage != "bm25"]
    assert all(sample.seconds > 0 and sample.peak_mib > 20 for sample in samples.values())
    monkeypatch.chdir(tmp_path / "here")
    queries = tables.read(layout.task("bench", "queries"), QUERIES)
    assert len(queries) == scale.asking(100) == 41
    vectors = np.load(layout.vectors("bench", "queries"))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    for system in ("bm25", "dense", "rrf"):
        run = tables.read(layout.run("bench", system), RUN)
        assert run["query_id"].nunique() == 41
        assert not (run["query_id"].astype(str) == run["family_id"].astype(str)).any()


def _kept(folder: Path) -> Callable[..., object]:
    """A temporary directory that stays."""
    from contextlib import nullcontext

    folder.mkdir()
    return lambda **_: nullcontext(str(folder))


@pytest.mark.pipeline
def test_the_best_of_a_query_do_not_depend_on_how_many_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "texts.json"
    texts.write("tac", 1200, str(file))
    found = function("benchmarks.depth:search", {"file": str(file), "queries": 3, "turns": 1}, ROOT).values
    assert found.pop("same") == 1.0
    assert set(found) == {"index", "1000", "100"} and all(seconds > 0 for seconds in found.values())


@pytest.mark.pipeline
def test_a_workspace_is_one_cell_on_the_simulated_landscape(monkeypatch: pytest.MonkeyPatch) -> None:
    from patent_embeddings.core import params
    from patent_embeddings.corpus.entries import landscape_entry
    from patent_embeddings.grid import check

    with workspace.workspace(70, tasks__fold=2) as folder:
        monkeypatch.chdir(folder)
        cell = params.load()
        assert (cell.evaluate_on, cell.recipe, cell.tasks.fold) == (["bench"], "zero-shot", 2)
        assert landscape_entry("bench").families == 70
        check.validate(cell)


@pytest.mark.slow
@pytest.mark.pipeline
def test_mteb_scores_the_same() -> None:
    with workspace.workspace(60, model=encode.MODEL, query_view="ta", document_view="ta") as folder:
        for stage in ("check", "download", "views", "tasks", "pairs", "finetune"):
            command(["-m", f"stages.{stage}", *(["bench"] if stage in ("download", "views", "tasks") else [])], folder)
        ours = function("benchmarks.evaluation:together", {"landscape": "bench"}, folder)
        theirs = function("benchmarks.evaluation:by_mteb", {"view": "ta"}, folder)
    assert 0 < ours.values["nDCG@10"] < 1
    assert evaluation.difference(ours, theirs) <= 1e-6
