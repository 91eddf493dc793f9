"""The grid on a scratch repository: which cells, under which names, computed once, compared, recommended."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from planted import Planted
from toy import LIFT, ROOT, git, repository

from patent_embeddings.core import registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.params import Params
from patent_embeddings.grid import cell as cell_
from patent_embeddings.grid import gather
from patent_embeddings.grid.entries import Preset, Protocol
from patent_embeddings.grid.experiments import alike, head
from patent_embeddings.grid.experiments import inputs as inputs_at
from patent_embeddings.sharing import queue

BASE = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def names(**axes: list[object]) -> list[str]:
    return [cell.name for cell in cell_.expand(BASE, {key.replace("__", "."): value for key, value in axes.items()})]


def test_the_sample_is_every_recipe_on_both_landscapes_and_zero_shot_once() -> None:
    found = cell_.expand(BASE, registry.entry("presets", "sample", Preset).axes)
    tuned = {(recipe, place) for recipe in LIFT for place in ("sim-alpha", "sim-beta")}
    assert {(cell.params["recipe"], cell.params["landscape"]) for cell in found[1:]} == tuned
    assert [cell.name for cell in found[:1]] == ["minilm-zero-shot"]
    assert len({cell.name for cell in found}) == len(found) == 9


@pytest.mark.parametrize("preset", registry.ids("presets"))
def test_every_preset_expands(preset: str) -> None:
    found = cell_.union(BASE, registry.entry("presets", preset, Preset).grids)
    assert found
    assert all(set(cell.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.") for cell in found)


def test_the_preset_robust_has_the_cells_of_its_protocol_and_none_twice() -> None:
    protocol = registry.entry("protocol", "robust", Protocol)
    grids = registry.entry("presets", "robust", Preset).grids
    found = [cell.params for cell in cell_.union(BASE, grids)]
    assert len({json.dumps(params, sort_keys=True) for params in found}) == len(found)

    def held(recipe: str, **settings: object) -> set[tuple[str, int, int]]:
        wanted = {key.replace("__", "."): value for key, value in settings.items()}
        flat = [(params, cell_.flat(params)) for params in found if params["recipe"] == recipe]
        return {(params["landscape"], params["finetune"]["seed"], params["tasks"]["fold"]) for params, values in flat
                if all(values[key] == value for key, value in wanted.items())}  # fmt: skip

    homes, seeds, folds = BASE["evaluate_on"], protocol.seeds, protocol.folds
    every = {(home, seed, fold) for home in homes for seed in seeds for fold in folds}
    for recipe in ("r1", "r3-ta", "r1-scaled", "r1-anchored", "r1-guided", "cross-field", "mixed"):
        assert held(recipe, embed__adapter_scale=1.0) == every
    assert held("r1", embed__adapter_scale=0.5) == every
    zero_shot = [(params["search"], params["embed"]["passages"]["tokens"], params["tasks"]["fold"]) for params in found if params["recipe"] == "zero-shot"]  # fmt: skip
    assert len(zero_shot) == (2 * (1 + 2 * 2) + 1) * len(folds)
    for recipe, centre in (("r1-all", "none"), ("r1-merged", "none"), ("r5", "none"), ("r5", "landscape")):
        left_out = [params["finetune"]["held_out"] for params in found if params["recipe"] == recipe and params["search"]["centre"] == centre]  # fmt: skip
        assert sorted(map(str, left_out)) == sorted(str([home]) for home in homes for _ in range(len(seeds) * len(folds)))  # fmt: skip
    # On other landscapes nothing of a file changes.
    several = [axes["recipe"] for axes in grids if "finetune.held_out" in axes]
    elsewhere = cell_.union(BASE, [{**axes, "evaluate_on": [["kista-radar-rain-gauge", "historic-us", "sim-beta"]]} for axes in grids])  # fmt: skip
    assert {cell.params["landscape"] for cell in elsewhere} == {"kista-radar-rain-gauge", "historic-us", "sim-beta"}
    assert several == [["r1-all", "r1-merged", "r5"], ["r5"]]


def test_every_id_and_setting_of_the_protocol_exists() -> None:
    protocol = registry.entry("protocol", "robust", Protocol)
    # Three stand there a second time, under the id of a user's own file.
    assert {f"kista-{name.removeprefix('kista-')}" for name in protocol.exploratory} <= set(registry.ids("landscapes"))
    known = cell_.flat(BASE)
    for hypothesis in protocol.hypotheses.values():
        options = [value for value in vars(hypothesis).values() if hasattr(value, "settings")]
        assert {option.recipe for option in options} | {getattr(hypothesis, "candidate", "r5")} <= set(registry.ids("recipes"))  # fmt: skip
        for settings in [option.settings for option in options] + [getattr(hypothesis, "settings", {})]:
            assert set(settings) <= set(known)


def test_names_say_what_differs_from_the_parameters() -> None:
    assert names(recipe=["r1"], tasks__fold=[0, 3]) == ["minilm-r1-sim-alpha", "minilm-r1-sim-alpha-fold3"]
    assert names(recipe=["zero-shot"], view=["ta"]) == ["minilm-zero-shot-ta"]
    assert names(recipe=["r1"], query_view=["ta"]) == ["minilm-r1-sim-alpha-ta-to-tac"]
    assert names(recipe=["r1"], evaluate_on=[["sim-alpha"]]) == ["minilm-r1-sim-alpha-on-sim-alpha"]
    assert names(recipe=["zero-shot"], finetune__seed=[0, 1, 2]) == ["minilm-zero-shot"]
    assert names(recipe=["r1"], finetune__seed=[0, 1]) == ["minilm-r1-sim-alpha", "minilm-r1-sim-alpha-finetune-seed1"]
    # Keys that end alike are told apart: seeds of splits and of training make four cells.
    assert len(names(recipe=["r1"], tasks__seed=[0, 1], finetune__seed=[0, 1])) == 4
    both = [{"recipe": ["r1"], "tasks.seed": [1]}, {"recipe": ["r1"], "finetune.seed": [1]}]
    assert len(cell_.union(BASE, both)) == 2
    same, other = (cell_.Cell("x", {"fuse.depth": depth}, {"recipe": "r1"}) for depth in (10, 20))
    assert cell_._distinct([same, same]) == [same]
    with pytest.raises(UserError, match="two different cells would be called x"):
        cell_._distinct([same, other])


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("depth: 1000 ", "depth: 900 ", False),
        ("clusterings: 5 ", "clusterings: 6 ", False),  # whatever its stage, every parameter counts
        ("recipe: r3 ", "recipe: r4 ", False),
        ("# id in registry/models.yaml", "# the model", True),
    ],
)
def test_a_grid_over_other_parameters_is_another_grid(
    old: str, new: str, same: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one commit has queued is the grid of another where no parameter differs."""
    monkeypatch.chdir(code(tmp_path))
    before = commit(tmp_path)
    text = Path("params.yaml").read_text(encoding="utf-8")
    assert old in text
    Path("params.yaml").write_text(text.replace(old, new), encoding="utf-8")
    after = commit(tmp_path)
    base = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    assert alike(before, after, cell_.expand(base, {"recipe": ["zero-shot", "r1"]})) is same


def test_a_grid_that_no_experiment_holds_in_the_end_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from patent_embeddings.grid import experiments as held
    from patent_embeddings.grid import running_cells
    from stages import grid as command

    monkeypatch.chdir(ROOT)
    for name, found in {"clean": None, "held": {}, "inputs": "other"}.items():
        monkeypatch.setattr(held, name, lambda *_, found=found: found)
    monkeypatch.setattr(running_cells, "_compute", lambda missing, commit, jobs: None)
    with pytest.raises(UserError, match="minilm-zero-shot and 8 more: ended, but no experiment holds them"):
        command.run_(preset="sample")


def code(folder: Path) -> Path:
    """A repository with what the inputs of a cell are read from."""
    tracked = subprocess.run(["git", "ls-files", "-z", "stages", "patent_embeddings", "registry", "dvc.yaml", "params.yaml", "environment.lock"], cwd=ROOT, capture_output=True, text=True, check=True)  # fmt: skip
    for name in filter(None, tracked.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    return folder


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "One")
    return head()


def test_a_changed_default_or_rule_makes_another_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(code(tmp_path))

    def inputs() -> str:
        return inputs_at(commit(tmp_path), Params.model_validate(BASE))

    found = [inputs()]
    for file, rule, other in (
        ("registry/entries.py", "] = 12.0", "] = 8.0"),  # idea_families
        ("registry/entries.py", "] = 3.0", "] = 2.0"),  # citations_in
        ("registry/entries.py", "min(asked or self.length", "min(asked or self.max_length"),  # Model.kept
        ("registry/entries.py", "tokens=131072", "tokens=65536"),  # Model.plan
        ("patent_embeddings/core/params.py", "return [self.landscape]", "return self.evaluate_on"),  # Params.trained_on
    ):
        text = Path(file).read_text(encoding="utf-8")
        assert rule in text
        Path(file).write_text(text.replace(rule, other), encoding="utf-8")
        found.append(inputs())
    assert len(set(found)) == len(found)
    Path("patent_embeddings/core/progress.py").write_text("# other words\n", encoding="utf-8")
    assert inputs() == found[-1]


def test_how_others_are_trained_is_no_variant_of_a_zero_shot_cell() -> None:
    """A zero-shot cell that was computed before the training rate was changed is beside the cells tuned after it."""
    before = {**BASE, "recipe": "zero-shot", "finetune": {**BASE["finetune"], "rate": 0.001}}
    tuned = {**before, "recipe": "r1"}
    found = [
        gather.keys_of("name", Params.model_validate(params), cell_.flat(BASE))["variant"] for params in (before, tuned)
    ]
    assert found == ["", "finetune.rate=0.001"]


def test_a_landscape_under_a_second_id_counts_once(capsys: pytest.CaptureFixture[str]) -> None:
    plant = Planted(6)
    for place in ("a", "c"):
        plant.cell(0.4, place).cell(0.5, place, recipe="r1", trained_on="a")
    frame = plant.frame()
    double = frame[frame["landscape"] == "a"].replace({"landscape": {"a": "b"}, "trained_on": {"a": "b"}})
    both = pd.concat([frame, double], ignore_index=True)
    titles = {name: pd.DataFrame({"query_id": sorted(set(frame["query_id"])), "title": "one"}) for name in "ab"}
    once = gather._once(both, titles)
    pd.testing.assert_frame_equal(once, frame)
    assert "left out: b, as most of its queries" in capsys.readouterr().err
    # Two landscapes that number their families alike hold other patents.
    assert len(gather._once(both, {**titles, "b": titles["b"].assign(title="other")})) == len(both)


def test_a_key_that_is_set_twice_is_refused() -> None:
    with pytest.raises(UserError, match="-S recipe is set twice"):
        cell_.parse(["recipe=r1", "recipe=r2"])


def test_a_watch_whose_worker_was_killed_ends_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "POLL", 0.0)
    monkeypatch.setattr(queue, "pending", lambda commits: ({"b"}, {"a"}))
    answers = iter([1, 0, 1, 0, 0])
    monkeypatch.setattr(queue, "workers", lambda: next(answers))
    with pytest.raises(UserError, match="the worker of a was killed"):
        queue.watch(["a", "b"], {"c"}, 1)
    assert list(answers) == []


@pytest.mark.parametrize(
    ("folder", "file", "says"),
    [("Prüfung", "", r"Prüfung/.dvc/cache.*dvc cache dir --local"), ("plain", "", None),
     ("plain", ".git/config", r"\.git/config: .*\(url = /home/Jörg/x\)"),
     ("plain", ".dvc/config.local", r"\.dvc/config\.local: .*\(url = /home/Jörg/x\)")],
)  # fmt: skip
def test_paths_and_settings_that_dvc_cannot_copy_are_refused_before_a_cell_is_queued(
    folder: str, file: str, says: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC's worker dies of them, and what it leaves is `No output logs found`."""
    root = tmp_path / folder
    root.mkdir()
    monkeypatch.chdir(root)
    subprocess.run(["git", "init", "--quiet"], check=True)
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").touch()
    if file:
        with (root / file).open("a", encoding="utf-8") as settings:
            settings.write(
                "\n['remote \"origin\"']\n    url = /home/Jörg/x\n"
                if "dvc" in file
                else '\n[remote "origin"]\n    url = /home/Jörg/x\n'
            )
    if says is None:
        queue.check()
    else:
        with pytest.raises(UserError, match=says):
            queue.check()


@pytest.mark.parametrize(("answering", "started"), [(1, [2]), (2, []), (0, [])])
def test_a_watch_starts_a_lost_worker_again(
    answering: int, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two cells waits though two may run: one worker answers; both do; the one that is busy misses the call."""
    looks = iter([({"b"}, {"a"})] * (queue._LOST + 1) + [(set(), set())])
    starts: list[int] = []
    monkeypatch.setattr(queue, "POLL", 0.0)
    monkeypatch.setattr(queue, "pending", lambda commits: next(looks))
    monkeypatch.setattr(queue, "state", lambda commits: queue.State())
    monkeypatch.setattr(queue, "workers", lambda: answering)
    monkeypatch.setattr(queue, "start", starts.append)
    queue.watch(["a", "b"], {"c"}, 2)
    assert starts == started


def test_each_is_every_landscape_that_is_scored() -> None:
    assert names(recipe=["r1"], landscape=["EACH"]) == ["minilm-r1-sim-alpha", "minilm-r1-sim-beta"]
    scored = [["orbit", "sim-beta"]]
    with pytest.raises(UserError, match="orbit"):
        names(recipe=["r1"], landscape=["EACH"], evaluate_on=scored)
    assert names(recipe=["r1-all"], finetune__held_out=[[], "EACH"], landscape=["EACH"]) == [
        "minilm-r1-all", "minilm-r1-all-held_outsim-alpha", "minilm-r1-all-held_outsim-beta",
    ]  # fmt: skip
    # What a cell has no use for makes no further cell of it.
    assert names(recipe=["r1"], finetune__held_out=[[], "EACH"]) == ["minilm-r1-sim-alpha"]
    assert names(recipe=["zero-shot"], embed__adapter_scale=[0.5, 1.0], landscape=["EACH"]) == ["minilm-zero-shot"]


def test_only_what_differs_is_overridden() -> None:
    (cell,) = cell_.expand(BASE, {"recipe": ["r1"], "tasks.fold": [0], "embed.adapter_scale": [0.5]})
    assert cell.overrides == {"recipe": "r1", "embed.adapter_scale": 0.5}
    assert cell.params["embed"]["adapter_scale"] == 0.5
    assert BASE["embed"]["adapter_scale"] == 1.0


def test_settings_are_read_as_yaml_lists_in_brackets() -> None:
    assert cell_.parse(["tasks.fold=0,1", "search.dimensions=null,64", "evaluate_on=[a,b],[c]"]) == {
        "tasks.fold": [0, 1], "search.dimensions": [None, 64], "evaluate_on": [["a", "b"], ["c"]],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("axes", "says"),
    [
        ({"modle": ["minilm"]}, "did you mean model"),
        ({"model": ["minilmm"]}, "did you mean minilm"),
        ({"tasks.fold": [7]}, "tasks.fold"),
        ({"landscape": ["orbit"]}, "not one of evaluate_on"),
        ({"evaluate_on": [["nowhere"]], "landscape": ["nowhere"]}, "nowhere"),
        ({"view": ["tca"]}, "did you mean ta, tac"),
    ],
)
def test_bad_axes_are_refused(axes: dict[str, list[object]], says: str) -> None:
    with pytest.raises(UserError, match=says):
        cell_.expand(BASE, axes)


@pytest.mark.parametrize("setting", ["recipe", "=r1", "recipe="])
def test_bad_settings_are_refused(setting: str) -> None:
    with pytest.raises(UserError, match="key=value"):
        cell_.parse([setting])


# ---- in a scratch repository, through DVC


def grid(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-m", "stages.grid", *arguments], cwd=folder, capture_output=True, text=True, timeout=500)  # fmt: skip
    assert not check or done.returncode == 0, done.stderr
    return done


def experiments(folder: Path) -> dict[str, str]:
    lines = git(folder, "for-each-ref", "--format=%(refname) %(objectname)", "refs/exps").splitlines()
    pairs = [line.split() for line in lines]
    return {ref.rsplit("/", 1)[1]: commit for ref, commit in pairs if ref.count("/") == 4}


SMALL = ("-S", "recipe=zero-shot,r1,r2", "-S", "landscape=sim-alpha,sim-beta")
SMALL_NAMES = {"minilm-zero-shot", *(f"minilm-{recipe}-{place}" for recipe in ("r1", "r2") for place in ("sim-alpha", "sim-beta"))}  # fmt: skip


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
def test_cells_become_experiments_and_are_not_computed_twice(repo: Path) -> None:
    before = experiments(repo)
    assert set(before) == SMALL_NAMES
    assert "5 cells, 5 of them held" in grid(repo, "run", *SMALL).stderr
    (repo / "README.md").write_text("Nothing that a cell depends on.\n", encoding="utf-8")
    git(repo, "add", "README.md")
    git(repo, "commit", "-qm", "Readme")
    assert "5 of them held" in grid(repo, "run", *SMALL).stderr
    assert experiments(repo) == before


@pytest.mark.pipeline
def test_a_failed_cell_says_why_and_the_rest_is_done(repo: Path) -> None:
    done = grid(repo, "run", "-S", "recipe=r1", "-S", "finetune.steps=13,14", check=False)
    assert done.returncode == 2
    assert "minilm-r1-sim-alpha-steps13: error: thirteen steps are one too many" in done.stdout
    assert "1 of 2 cells failed" in done.stderr
    assert "minilm-r1-sim-alpha-steps14" in experiments(repo)
    # It is tried again, and the finished one is not.
    again = grid(repo, "run", "-S", "recipe=r1", "-S", "finetune.steps=13,14", check=False)
    assert "2 cells, 1 of them held" in again.stderr
    assert "queued: minilm-r1-sim-alpha-steps13" in again.stderr
    subprocess.run([sys.executable, "-m", "dvc", "exp", "remove", "minilm-r1-sim-alpha-steps14"], cwd=repo, check=True, capture_output=True)  # fmt: skip


@pytest.mark.pipeline
def test_a_cell_is_queued_once_a_worker_lets_go_of_its_lock(
    repo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repo)
    lock = repo / ".dvc/tmp/exps/rwlock"
    held = {"refs/exps/celery/stash": {"pid": os.getpid(), "cmd": "a worker"}}
    lock.write_text(json.dumps({"write": held, "read": {}}), encoding="utf-8")
    cell = cell_.expand(BASE, {"recipe": ["r1"], "finetune.steps": [15]})[0]
    with monkeypatch.context() as impatient:
        impatient.setattr(queue, "_BUSY", 0.0)
        with pytest.raises(UserError, match=r"dvc exp run --queue: 'refs/exps/celery/stash' is busy"):
            queue.add(cell)
    asked, refusals = queue._refusal, []

    def released(*arguments: str) -> str | None:
        refusals.append(asked(*arguments))
        lock.unlink(missing_ok=True)
        return refusals[-1]

    monkeypatch.setattr(queue, "_refusal", released)
    queue.add(cell)
    assert len(refusals) == 2 and "is busy" in refusals[0]
    assert "dvc exp run --queue waits: 'refs/exps/celery/stash' is busy" in capsys.readouterr().err
    grid(repo, "run", "-S", "recipe=r1", "-S", "finetune.steps=15")
    assert cell.name in experiments(repo)
    subprocess.run([sys.executable, "-m", "dvc", "exp", "remove", cell.name], cwd=repo, check=True, capture_output=True)


@pytest.mark.pipeline
def test_uncommitted_code_is_refused(repo: Path) -> None:
    params = repo / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("recipe: r3", "recipe: r2"), encoding="utf-8")
    done = grid(repo, "run", "-S", "tasks.fold=1", check=False)
    params.write_text(text, encoding="utf-8")
    assert done.returncode == 2
    assert "params.yaml: not committed" in done.stderr


@pytest.mark.pipeline
def test_report_compares_what_was_planted(repo: Path) -> None:
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
    tuned = compared[(compared["family"] == "tuned") & (compared["task"] == "retrieval") & compared["first"].str.contains(" r1 ")]  # fmt: skip
    home = [place in first for place, first in zip(tuned["landscape"], tuned["first"], strict=True)]
    assert (tuned["difference"][home] > 0.03).all()
    assert (tuned["difference"][[not at for at in home]] < -0.05).all()
    assert (tuned["p_holm"] < 0.05).all()
    assert (compared["p_holm"] >= compared["p"]).all()
    verdicts = {(one["finding"], one["ground"]): one["verdict"] for one in json.loads((folder / "findings.json").read_text())}  # fmt: skip
    assert verdicts["tuning-harms-abroad", "simulated"] == "plant recovered"
    assert verdicts["r3-best-for-retrieval", "simulated"] == "not tested"
    assert not {verdict for (_, ground), verdict in verdicts.items() if ground == "simulated"} & {"supported", "contradicted"}  # fmt: skip
    assert {verdict for (_, ground), verdict in verdicts.items() if ground == "real"} == {"not tested"}
    assert (folder / "figures/transfer.png").exists()
    assert not (folder / "figures/views.png").exists()
    first = (folder / "index.html").read_bytes()
    grid(repo, "report")
    assert (folder / "index.html").read_bytes() == first
    grid(repo, "record", "record.parquet")  # of the same cells: nothing that the experiments lack
    grid(repo, "report", "--record", "record.parquet")
    assert (folder / "index.html").read_bytes() == first
    (repo / "record.parquet").unlink()


@pytest.mark.pipeline
def test_recommendation_names_the_planted_best(repo: Path) -> None:
    said = grid(repo, "recommend", "--landscape", "sim-alpha", "--task", "retrieval").stdout
    assert "use minilm, r1 trained on sim-alpha, view tac, system interpolation" in said
    assert "on sim-beta, against zero-shot: -0.0" in said
    assert "simulated" in said
    done = grid(repo, "recommend", "--landscape", "sim-alfa", check=False)
    assert done.returncode == 2
    assert "did you mean sim-alpha" in done.stderr


@pytest.mark.pipeline
def test_other_code_makes_other_cells(repo: Path) -> None:
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
    subprocess.run([sys.executable, "-m", "dvc", "queue", "stop", "--kill"], cwd=folder, capture_output=True, check=False)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("workers_too", "newer"), [(False, False), (True, False), (False, True)])
def test_interrupted_it_finishes_without_repeating_a_finished_cell(slow: Path, workers_too: bool, newer: bool) -> None:
    arguments = ("run", "-S", "recipe=zero-shot,r1,r2,r3")
    process = subprocess.Popen([sys.executable, "-m", "stages.grid", *arguments], cwd=slow, stderr=subprocess.PIPE, text=True, start_new_session=True)  # fmt: skip
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
def test_after_other_parameters_are_committed_the_same_command_computes_other_cells(slow: Path) -> None:
    before = git(slow, "rev-parse", "HEAD").strip()
    queued = subprocess.run([sys.executable, "-m", "dvc", "exp", "run", "--queue", "-n", "minilm-r1-sim-alpha", "-S", "recipe=r1"], cwd=slow, capture_output=True, text=True)  # fmt: skip
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
