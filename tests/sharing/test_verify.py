"""Verification against expectations: verdicts, missing scores, and who computed what."""

from __future__ import annotations

import io
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
import yaml
from workspaces import ROOT, change

from patent_embeddings.core import command, costs, layout, registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import write_json
from patent_embeddings.core.params import Params
from patent_embeddings.grid import axes
from patent_embeddings.grid.cell import digest
from patent_embeddings.grid.entries import Preset
from patent_embeddings.sharing import verify
from stages import verify as verify_stage

HEAD = "landscape,simulated,task,system,scope,metric,value,ci_low,ci_high,n\n"


def scores(ndcg: float = 0.5, f1: float = 0.6, more: str = "") -> None:
    layout.SCORES.parent.mkdir(exist_ok=True)
    layout.SCORES.write_text(
        f"{HEAD}sim-alpha,true,retrieval,dense,all,nDCG@10,{ndcg:.4f},0.4,0.6,50\n"
        f"sim-alpha,true,retrieval,oracle-rrf,all,nDCG@10,0.9,0.4,0.6,50\n"
        f"sim-alpha,true,classification,probe,ipc-subclass,micro-F1,{f1:.4f},0.4,0.6,50\n{more}",
        encoding="utf-8",
    )


def verified(*arguments: str) -> subprocess.CompletedProcess[str]:
    out, err = io.StringIO(), io.StringIO()
    asked = mock.patch("sys.argv", ["verify", *arguments])
    with asked, redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        command.run(verify_stage.app)
    return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture
def accepted(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose scores are the expected ones; it has no pipeline."""
    monkeypatch.setattr("patent_embeddings.grid.gather.require_current", lambda *_: None)
    monkeypatch.setenv("XDG_STATE_HOME", str(workspace / "state"))
    scores()
    assert verified("--accept").returncode == 0
    return workspace


def test_equal_scores_are_ok(accepted: Path) -> None:
    done = verified()
    assert done.returncode == 0
    assert "2 OK, 0 close, 0 FAIL" in done.stdout
    assert "oracle" not in done.stdout


@pytest.mark.parametrize(
    ("ndcg", "f1", "summary", "status"),
    [
        (0.5005, 0.599, "2 OK, 0 close, 0 FAIL", 0),
        (0.5006, 0.59, "0 OK, 2 close, 0 FAIL", 0),
        (0.5051, 0.6, "1 OK, 0 close, 1 FAIL", 1),
        (0.5, 0.5899, "1 OK, 0 close, 1 FAIL", 1),
    ],
)
def test_tolerance_is_the_metrics_own(accepted: Path, ndcg: float, f1: float, summary: str, status: int) -> None:
    scores(ndcg, f1)
    done = verified()
    assert summary in done.stdout
    assert done.returncode == status


def test_a_missing_score_fails_and_a_new_one_does_not(accepted: Path) -> None:
    scores(more="sim-alpha,true,retrieval,rrf,all,nDCG@10,0.5,0.4,0.6,50\n")
    assert verified().returncode == 0
    layout.SCORES.write_text(f"{HEAD}sim-alpha,true,retrieval,dense,all,nDCG@10,0.5,0.4,0.6,50\n", encoding="utf-8")
    done = verified()
    assert done.returncode == 1
    assert "missing, expected 0.6000" in done.stdout


def test_another_cell_has_no_expectations(accepted: Path) -> None:
    change(accepted, tasks__fold=1)
    done = verified()
    assert done.returncode == 2
    assert "no expected scores for minilm-r3-sim-alpha-tac-fold1" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--accept"]])
def test_scores_of_before_a_change_are_neither_compared_nor_accepted(
    accepted: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """They would be those of the parameters as they were, under the name of those as they are."""

    def changed(params: Params, stage: str) -> None:
        assert params.recipe == "r3" and stage == "report"
        raise UserError("computed before a change")

    monkeypatch.setattr("patent_embeddings.grid.gather.require_current", changed)
    before = layout.EXPECTED.read_bytes()
    done = verified(*arguments)
    assert done.returncode == 2 and "computed before a change" in done.stderr
    assert layout.EXPECTED.read_bytes() == before


def test_a_cell_of_a_name_that_is_expected_for_other_parameters_is_named(accepted: Path) -> None:
    """Its scores were compared with nothing."""
    found = verify.scored(layout.SCORES.read_text(encoding="utf-8"), "one", "a" * 12)
    verify.accept(found)
    lines, counts = verify.verified(pd.concat([found, found.assign(parameters="b" * 12)]))
    assert lines[-1] == "-     one: no expected scores" and counts == {"OK": 2, "close": 0, "FAIL": 0}


@pytest.mark.parametrize("mark", ["<<<<<<< HEAD", "=======", "a,b,c,d,e,f,g,h,i,j,k"])
def test_expected_scores_that_were_not_merged_to_the_end_are_said(accepted: Path, mark: str) -> None:
    head, *lines = layout.EXPECTED.read_text(encoding="utf-8").splitlines()
    layout.EXPECTED.write_text("\n".join([head, mark, *lines, ""]), encoding="utf-8")
    done = verified()
    assert done.returncode == 2 and done.stderr.startswith(f"error: {layout.EXPECTED}: no table of scores; merge")


def test_accepting_another_cell_keeps_the_first(accepted: Path) -> None:
    change(accepted, recipe="zero-shot")
    scores(0.3)
    assert verified("--accept").returncode == 0
    # Where a zero-shot model would have been trained makes no other cell.
    change(accepted, landscape="sim-beta")
    assert "2 OK" in verified().stdout
    change(accepted, landscape="sim-alpha", recipe="r3")
    assert "FAIL" in verified().stdout
    assert len(set(pd.read_csv(layout.EXPECTED)["parameters"])) == 2


def test_stages_say_who_computed_them(accepted: Path) -> None:
    with costs.measured(layout.cost("embed", "sim-alpha")):
        pass
    write_json(layout.cost("bm25", "sim-alpha"), {"seconds": 1.0, "computed_by": "somebodyelse"})
    write_json(layout.cost("finetune"), {"seconds": 1.0})
    assert verify.origins() == [
        "stage finetune: not recorded",
        "stage bm25@sim-alpha: from the cache, computed elsewhere",
        "stage embed@sim-alpha: computed here",
    ]


def test_an_account_is_drawn_once_and_optional(accepted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert costs.account() == costs.account() != ""
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    assert costs.account() == ""


def test_the_expected_scores_are_of_the_parameters_as_committed() -> None:
    expected = pd.read_csv(ROOT / "reports" / "expected.csv", dtype=str)
    base = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    sample = [one.params for one in axes.union(base, registry.entry("presets", "sample", Preset).grids)]
    assert {digest(params) for params in sample} == set(expected["parameters"])


def test_an_option_that_is_off_is_no_other_cell_and_one_that_is_on_is() -> None:
    base = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    without = {**base, "bm25": {key: value for key, value in base["bm25"].items() if key != "query_side"}}
    asked = {**base, "bm25": {**base["bm25"], "query_side": True}}
    one, two, three = (digest(Params.model_validate(params)) for params in (base, without, asked))
    assert one == two != three


def test_a_flipped_bit_in_what_is_verified_is_named(accepted: Path) -> None:
    """Outputs are links into DVC's cache: each is held against dvc.lock, in one line where it is another."""
    import hashlib

    cost = layout.cost("embed", "sim-alpha")
    write_json(cost, {"computed_by": costs.account(), "seconds": 1.5})
    outs = [
        {"path": path.as_posix(), "md5": hashlib.md5(path.read_bytes()).hexdigest()} for path in (layout.SCORES, cost)
    ]
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"report": {"cmd": "x", "outs": outs}}}))
    whole = verified()
    assert whole.returncode == 0 and "computed here" in whole.stdout
    for path in (layout.SCORES, cost):
        content = path.read_bytes()
        for place in range(0, len(content), 7):
            path.write_bytes(content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :])
            done = verified()
            assert done.returncode == 2 and done.stderr.count("\n") == 1, done
            assert f"error: {path}: not the file that dvc.lock names" in done.stderr
        path.write_bytes(content)
    assert verified().stdout == whole.stdout
