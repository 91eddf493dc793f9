"""The benchmarks measure what they claim, and notice a peer that disagrees."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import (
    bm25,
    comparison,
    evaluation,
    exports,
    find,
    labels,
    results,
    scale,
    search,
    texts,
    weeks,
    workspace,
)
from benchmarks.comparison import Contest, Measurement
from benchmarks.hardware import record
from benchmarks.timing import Sample, command, function, in_turn, ratio
from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.schemas import LABELS, QUERIES
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
    assert ratio(peer=[4.0, 6.0, 9.0], ours=[2.0, 2.0, 3.0]) == (3.0, 2.0, 3.0)
    with pytest.raises(ValueError, match="shorter"):
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
    return Contest(
        "toy", "case 1", "peer", answers, "difference", 0.1,
        lambda a, b: abs(a.values["answer"] - b.values["answer"]), ("numpy",),
    )  # fmt: skip


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


def test_the_tables_of_the_docs_are_those_of_the_files() -> None:
    page = (Path(__file__).parents[1] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    rows = [
        [float(row[key]) for key in ("ours", "theirs", "ratio", "low", "high")]
        for row in results.read(results.COMPARISONS)
    ]
    written = re.findall(r"\| ([\d.]+) s \| ([\d.]+) s \| ([\d.]+) \(([\d.]+) to ([\d.]+)\) \|", page)
    assert written
    for line in written:
        digits = [len(figure.partition(".")[2]) for figure in line]
        figures = [float(figure) for figure in line]
        assert any([round(value, kept) for value, kept in zip(row, digits, strict=True)] == figures for row in rows), (
            line
        )
    assert scale.table(results.read(scale.NAME)) in page


def found(folder: Path, name: str, scores: Sequence[Sequence[float]], rows: Sequence[Sequence[int]]) -> Sample:
    out = folder / f"{name}.npz"
    np.savez(out, scores=np.array(scores, np.float32), rows=np.array(rows))
    return Sample(1.0, 1.0, {"out": str(out)})


def test_right_scores_of_wrong_documents_are_not_the_same_answer(tmp_path: Path) -> None:
    scores = [[0.9, 0.5, 0.2], [0.8, 0.3, 0.1]]
    peer = found(tmp_path, "peer", scores, [[4, 1, 2], [0, 3, 4]])
    ours = found(tmp_path, "float32", scores, [[4, 1, 3], [0, 3, 4]])  # the last is a tie, cut the other way
    assert search.difference(tmp_path, ours, peer) == 0
    ours = found(tmp_path, "float32", scores, [[1, 4, 2], [0, 3, 4]])
    assert search.difference(tmp_path, ours, peer) == pytest.approx(0.4)
    ours = found(tmp_path, "float32", scores, [[4, 1, 2], [0, 0, 4]])
    assert search.difference(tmp_path, ours, peer) > 0.1


def test_half_of_the_ten_best_is_not_the_same_answer(tmp_path: Path) -> None:
    for name, documents in (("ours", [1, 2]), ("plain", [1, 2, 3, 4])):
        np.savez(tmp_path / f"{name}.npz", query=np.zeros(len(documents), int), document=np.array(documents))
    assert bm25.difference(tmp_path) == 0.5


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
    small, large = (function("payloads:allocate", payloads, mib=mib) for mib in (1, 300))
    assert large.values["held"] == 300 << 20
    assert 250 < large.peak_mib - small.peak_mib < 350
    assert 0 < small.seconds < 30
    # Each with a cache folder of its own, gone afterwards.
    assert small.values["cache"] != large.values["cache"]
    assert not Path(small.values["cache"]).exists()


def test_a_failing_process_is_named_with_its_last_line(payloads: Path) -> None:
    with pytest.raises(UserError, match="ended with 2: error: no such valve"):
        function("payloads:refuse", payloads)
    with pytest.raises(UserError, match="ended with 3"):
        command(["-c", "raise SystemExit(3)"], payloads)


def test_the_share_of_families_that_ask_is_the_studys() -> None:
    assert scale.asking(113_148) == 46_069
    assert scale.asking(10_000) == 4_072


def test_the_exponent_of_a_stage_is_its_slope_between_sizes() -> None:
    rows = [
        {"families": families, "stage": stage, "seconds": seconds, "peak_mib": "1200"}
        for stage, times in (("search", ("2", "200", None)), ("fuse", ("3", "30", "300")))
        for families, seconds in zip(("1000", "10000", "100000"), times, strict=True)
        if seconds
    ]
    head, _, search, fuse = scale.table(rows).splitlines()
    assert head.split(" | ")[1:4] == ["1,000", "10,000", "100,000"]
    assert search == "| search | 2.0 s, 1,200 MiB | 200.0 s, 1,200 MiB | – | 2.00 | – |"
    assert fuse.endswith(" | 1.00 | 1.00 |")


def test_long_descriptions_have_the_length_asked_for_and_differ() -> None:
    made = texts.lengthened(["abc", "de", "f"], 12)
    assert made == ["abc\nde\nf\nabc", "de\nf\nabc\nde", "f\nabc\nde\nf\na"]


def test_as_many_texts_are_written_as_are_asked_for(tmp_path: Path) -> None:
    for count in (2, 60):  # fewer than a landscape has, and more
        texts.write("tac", count, str(tmp_path / "texts.json"))
        assert len(texts.read(str(tmp_path / "texts.json"))) == count


def test_a_simulated_week_has_the_length_of_a_real_one_and_is_read_as_lxml_parses_it(tmp_path: Path) -> None:
    week, rooted = str(tmp_path / "week.xml"), str(tmp_path / "rooted.xml")
    size = weeks.write(60, week)["bytes"]
    assert 90_000 < size / 60 < 120_000
    text = Path(week).read_text(encoding="utf-8")
    assert all(f"<{tag}" in text for tag in ("entry", "msub", "chemistry", "figref", "us-citation"))
    exports.one_root(week, rooted)
    ours, theirs = exports.ours(week), exports.bare(rooted, exports.ROOT_TAG)
    assert ours["documents"] == theirs["documents"] == 60
    assert exports.ours(week, "US8000000")["documents"] == 1


def test_the_probe_and_its_peer_fit_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(labels, "DIMENSION", 12)
    split = ["train", "train", "dev", "test"] * 20
    rows = pd.DataFrame({"family_id": [f"F{place:02d}" for place in range(80)], "split": split})
    rows["labels"] = [[f"L{place % 3}"] for place in range(80)]
    tables.write(rows.assign(label_set=labels.LABEL_SET), layout.task(labels.LANDSCAPE, "labels"), LABELS)
    for by in ("ours", "theirs"):
        assert labels.fitted("planted", by, f"{by}.npy")["fit"] > 0
    assert np.load("ours.npy").shape == (4, 40, 3)
    assert 0 < labels.difference(tmp_path) < labels.TOLERANCE


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
def test_a_workspace_is_one_cell_on_the_simulated_landscape(monkeypatch: pytest.MonkeyPatch) -> None:
    from patent_embeddings.core import params
    from patent_embeddings.corpus.entries import landscape_entry
    from patent_embeddings.grid import check

    with workspace.workspace(70, "ta", dtype="bfloat16") as folder:
        monkeypatch.chdir(folder)
        cell = params.load()
        assert (cell.evaluate_on, cell.recipe, cell.embed.dtype) == (["bench"], "zero-shot", "bfloat16")
        assert cell.query_view == cell.document_view == "ta"
        assert landscape_entry("bench").families == 70
        check.validate(cell)


@pytest.mark.slow
@pytest.mark.pipeline
def test_mteb_scores_the_same() -> None:
    with workspace.workspace(60, "ta") as folder:
        for stage in ("check", "download", "views", "tasks", "pairs", "finetune"):
            command(["-m", f"stages.{stage}", *(["bench"] if stage in ("download", "views", "tasks") else [])], folder)
        ours = function("benchmarks.evaluation:together", folder, landscape="bench")
        theirs = function("benchmarks.evaluation:by_mteb", folder, view="ta")
    assert 0 < ours.values["nDCG@10"] < 1
    assert evaluation.difference(ours, theirs) <= 1e-6


@pytest.mark.slow
@pytest.mark.pipeline
def test_find_is_asked_twice_with_what_stands_in_for_a_model() -> None:
    values = find.measure(60).values
    assert set(values) == {"open", "first", "kept", "median", "slowest", "processors", "passages"}
    assert values["first"] > values["kept"] > 0 and values["slowest"] >= values["median"] > 0
