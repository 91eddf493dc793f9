"""The grid on a scratch repository, through DVC: computed once, compared, recommended."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from forks import Forks
from toy import ROOT, git, repository

from patent_embeddings.core.errors import UserError
from patent_embeddings.grid import axes
from patent_embeddings.sharing import queue

Grid = Callable[..., subprocess.CompletedProcess[str]]
BASE = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def test_a_grid_that_no_experiment_holds_in_the_end_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from patent_embeddings.grid import computing
    from patent_embeddings.grid import experiments as asked
    from stages import grid as command

    monkeypatch.chdir(ROOT)
    for name, found in {"clean": None, "by_inputs": {}, "inputs": "other"}.items():
        monkeypatch.setattr(asked, name, lambda *_, found=found: found)
    monkeypatch.setattr(computing, "_through_the_queue", lambda missing, commit, jobs: None)
    with pytest.raises(UserError, match="minilm-zero-shot and 8 more: ended, but no experiment holds them"):
        command.run_(preset="sample")


def test_shares_have_every_cell_once() -> None:
    from patent_embeddings.grid import computing

    cells = axes.expand(BASE, {"tasks.fold": [0, 1, 2, 3, 4], "recipe": ["r1", "r2"]})
    shares = [computing.share(cells, f"{number}/4") for number in (1, 2, 3, 4)]
    assert [len(one) for one in shares] == [3, 3, 2, 2]
    assert sorted(cell.name for one in shares for cell in one) == sorted(cell.name for cell in cells)
    assert computing.share(cells, "1/1") == cells
    for wrong in ("0/4", "5/4", "1", "1/2/3", "a/b", "-1/4", "1/0", ""):
        with pytest.raises(UserError, match=r"write I/N"):
            computing.share(cells, wrong)


@pytest.fixture(scope="session")
def grid(forks: Forks) -> Grid:
    """Run the grid's command in a folder."""

    def run(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = forks.module("stages.grid", *arguments, cwd=folder)
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


def experiments(folder: Path) -> dict[str, str]:
    lines = git(folder, "for-each-ref", "--format=%(refname) %(objectname)", "refs/exps").splitlines()
    pairs = [line.split() for line in lines]
    return {ref.rsplit("/", 1)[1]: commit for ref, commit in pairs if ref.count("/") == 4}


SMALL = ("-S", "recipe=zero-shot,r1,r2", "-S", "landscape=sim-alpha,sim-beta")
SMALL_NAMES = {
    "minilm-zero-shot",
    *(f"minilm-{recipe}-{place}" for recipe in ("r1", "r2") for place in ("sim-alpha", "sim-beta")),
}


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory, grid: Grid) -> Path:
    """Five cells of the toy pipeline, computed by two workers, where another landscape was evaluated before."""
    folder = repository(tmp_path_factory.mktemp("grid") / "repo")
    gone = {"path": "data/costs/gone/metrics.json", "hash": "md5", "md5": "0" * 32, "size": 1}
    lock = {"schema": "2.0", "stages": {"metrics@gone": {"cmd": "python -m stages.metrics gone", "outs": [gone]}}}
    (folder / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    git(folder, "add", "dvc.lock")
    git(folder, "commit", "-qm", "A landscape that is no longer evaluated")
    done = grid(folder, "run", *SMALL, "--jobs", "2")
    assert "running: " in done.stderr
    return folder


@pytest.mark.pipeline
def test_cells_become_experiments_and_are_not_computed_twice(repo: Path, grid: Grid) -> None:
    before = experiments(repo)
    assert set(before) == SMALL_NAMES
    assert "5 cells, 5 of them held" in grid(repo, "run", *SMALL).stderr
    (repo / "README.md").write_text("Nothing that a cell depends on.\n", encoding="utf-8")
    git(repo, "add", "README.md")
    git(repo, "commit", "-qm", "Readme")
    assert "5 of them held" in grid(repo, "run", *SMALL).stderr
    assert experiments(repo) == before


@pytest.mark.pipeline
def test_a_failed_cell_says_why_and_the_rest_is_done(repo: Path, grid: Grid) -> None:
    done = grid(repo, "run", "-S", "recipe=r1", "-S", "finetune.steps=13,14", check=False)
    assert done.returncode == 2
    assert "minilm-r1-sim-alpha-steps13: error: thirteen steps are one too many" in done.stdout
    assert "1 of 2 cells failed" in done.stderr
    assert "minilm-r1-sim-alpha-steps14" in experiments(repo)
    # It is tried again, and the finished one is not.
    again = grid(repo, "run", "-S", "recipe=r1", "-S", "finetune.steps=13,14", check=False)
    assert "2 cells, 1 of them held" in again.stderr
    assert "queued: minilm-r1-sim-alpha-steps13" in again.stderr
    subprocess.run(
        [sys.executable, "-m", "dvc", "exp", "remove", "minilm-r1-sim-alpha-steps14"],
        cwd=repo,
        check=True,
        capture_output=True,
    )


@pytest.mark.pipeline
def test_a_cell_is_queued_once_a_worker_lets_go_of_its_lock(
    repo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], grid: Grid
) -> None:
    monkeypatch.chdir(repo)
    lock = repo / ".dvc/tmp/exps/rwlock"
    held = {"refs/exps/celery/stash": {"pid": os.getpid(), "cmd": "a worker"}}
    lock.write_text(json.dumps({"write": held, "read": {}}), encoding="utf-8")
    cell = axes.expand(BASE, {"recipe": ["r1"], "finetune.steps": [15]})[0]
    with monkeypatch.context() as impatient:
        impatient.setattr(queue, "_BUSY", 0.0)
        with pytest.raises(UserError, match=r"dvc exp run --queue: 'refs/exps/celery/stash' is busy"):
            queue.add(cell.name, cell.overrides)
    asked, refusals = queue._refusal, []

    def released(*arguments: str) -> str | None:
        refusals.append(asked(*arguments))
        lock.unlink(missing_ok=True)
        return refusals[-1]

    monkeypatch.setattr(queue, "_refusal", released)
    queue.add(cell.name, cell.overrides)
    assert len(refusals) == 2 and "is busy" in refusals[0]
    assert "dvc exp run --queue waits: 'refs/exps/celery/stash' is busy" in capsys.readouterr().err
    grid(repo, "run", "-S", "recipe=r1", "-S", "finetune.steps=15")
    assert cell.name in experiments(repo)
    subprocess.run([sys.executable, "-m", "dvc", "exp", "remove", cell.name], cwd=repo, check=True, capture_output=True)


@pytest.mark.pipeline
def test_uncommitted_code_is_refused(repo: Path, grid: Grid) -> None:
    params = repo / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("recipe: r3", "recipe: r2"), encoding="utf-8")
    done = grid(repo, "run", "-S", "tasks.fold=1", check=False)
    params.write_text(text, encoding="utf-8")
    assert done.returncode == 2
    assert "params.yaml: not committed" in done.stderr


@pytest.mark.pipeline
def test_report_compares_what_was_planted(repo: Path, grid: Grid) -> None:
    grid(repo, "report")
    folder = repo / "reports/grid"
    scores = pd.read_csv(folder / "scores.csv")
    assert set(scores["cell"]) == SMALL_NAMES
    # The scores of a cell are those of its own commit.
    commit = experiments(repo)["minilm-r1-sim-alpha"]
    theirs = pd.read_csv(pd.io.common.StringIO(git(repo, "show", f"{commit}:reports/scores.csv")))
    ours = scores[scores["cell"] == "minilm-r1-sim-alpha"]
    assert sorted(ours["value"]) == sorted(theirs["value"])
    compared = pd.read_csv(folder / "comparisons.csv")
    tuned = compared[
        (compared["hypotheses"] == "tuned") & (compared["task"] == "retrieval") & compared["first"].str.contains(" r1 ")
    ]
    home = [place in first for place, first in zip(tuned["landscape"], tuned["first"], strict=True)]
    assert (tuned["difference"][home] > 0.03).all()
    assert (tuned["difference"][[not at for at in home]] < -0.05).all()
    assert (tuned["p_holm"] < 0.05).all()
    assert (compared["p_holm"] >= compared["p"]).all()
    verdicts = {
        (one["finding"], one["ground"]): one["verdict"] for one in json.loads((folder / "findings.json").read_text())
    }
    assert verdicts["tuning-harms-abroad", "simulated"] == "plant recovered"
    assert verdicts["r3-best-for-retrieval", "simulated"] == "not tested"
    assert not {verdict for (_, ground), verdict in verdicts.items() if ground == "simulated"} & {
        "supported",
        "contradicted",
    }
    assert {verdict for (_, ground), verdict in verdicts.items() if ground == "real"} == {"not tested"}
    assert (folder / "figures/transfer.svg").exists()
    assert not (folder / "figures/views.svg").exists()
    assert not (folder / "figures/cost.svg").exists()  # the load of the machine is in it
    first = (folder / "index.html").read_bytes()
    grid(repo, "report")
    assert (folder / "index.html").read_bytes() == first


@pytest.mark.pipeline
def test_recommendation_names_the_planted_best(repo: Path, grid: Grid) -> None:
    said = grid(repo, "recommend", "--landscape", "sim-alpha", "--task", "retrieval").stdout
    assert "use minilm, r1 trained on sim-alpha, view tac, system interpolation" in said
    assert "on sim-beta, against zero-shot: -0.0" in said
    assert "simulated" in said
    done = grid(repo, "recommend", "--landscape", "sim-alfa", check=False)
    assert done.returncode == 2
    assert "did you mean sim-alpha" in done.stderr


@pytest.mark.pipeline
def test_other_code_makes_other_cells(repo: Path, grid: Grid) -> None:
    head = git(repo, "rev-parse", "HEAD").strip()
    with (repo / "toy.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    git(repo, "commit", "-qam", "Change")
    done = grid(repo, "report", check=False)
    assert done.returncode == 2
    assert "no experiment of this code version (5 of other versions)" in done.stderr
    git(repo, "reset", "-q", "--hard", head)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Path]:
    """A scratch repository whose cells take some seconds."""
    folder = repository(tmp_path / "repo")
    (folder / "toy.yaml").write_text("3", encoding="utf-8")
    git(folder, "add", "toy.yaml")
    git(folder, "commit", "-qm", "Slow")
    yield folder
    subprocess.run(
        [sys.executable, "-m", "dvc", "queue", "stop", "--kill"], cwd=folder, capture_output=True, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize(("workers_too", "newer"), [(False, False), (True, False), (False, True)])
def test_interrupted_it_finishes_without_repeating_a_finished_cell(
    slow: Path, workers_too: bool, newer: bool, grid: Grid
) -> None:
    arguments = ("run", "-S", "recipe=zero-shot,r1,r2,r3")
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.grid", *arguments],
        cwd=slow,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("done: "):
            break
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    first = experiments(slow)
    assert first
    if workers_too:
        for path in (slow / ".dvc/tmp/exps").rglob("*.json"):
            pid = json.loads(path.read_text(encoding="utf-8")).get("pid")
            if pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        time.sleep(2)
    if newer:
        (slow / "README.md").write_text("Nothing that a cell depends on.\n", encoding="utf-8")
        git(slow, "add", "README.md")
        git(slow, "commit", "-qm", "Readme")
    done = grid(slow, *arguments)
    # What was queued before is taken up, but for the cell whose worker was killed.
    assert len(re.findall("^queued: ", done.stderr, re.M)) <= workers_too
    last = experiments(slow)
    assert set(last) == {"minilm-zero-shot", "minilm-r1-sim-alpha", "minilm-r2-sim-alpha", "minilm-r3-sim-alpha"}
    assert {name: last[name] for name in first} == first


@pytest.mark.slow
def test_after_other_parameters_are_committed_the_same_command_computes_other_cells(slow: Path, grid: Grid) -> None:
    before = git(slow, "rev-parse", "HEAD").strip()
    queued = subprocess.run(
        [sys.executable, "-m", "dvc", "exp", "run", "--queue", "-n", "minilm-r1-sim-alpha", "-S", "recipe=r1"],
        cwd=slow,
        capture_output=True,
        text=True,
    )
    assert queued.returncode == 0, queued.stderr
    params = slow / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("depth: 1000 ", "depth: 900 "), encoding="utf-8")
    git(slow, "commit", "-qam", "Depth")
    done = grid(slow, "run", "-S", "recipe=r1")
    assert "minilm-r1-sim-alpha: queued or running also for other parameters" in done.stderr
    assert "queued: minilm-r1-sim-alpha" in done.stderr
    refs = git(slow, "for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
    after = git(slow, "rev-parse", "HEAD").strip()
    assert {ref.split("/")[-2] for ref in refs if ref.endswith("/minilm-r1-sim-alpha")} - {before[2:]} == {after[2:]}
    held = yaml.safe_load(git(slow, "show", f"refs/exps/{after[:2]}/{after[2:]}/minilm-r1-sim-alpha:params.yaml"))
    assert held["fuse"]["depth"] == 900
