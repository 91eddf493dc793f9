"""Experiments by what their outcomes depend on: which commits hold the same cell."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from toy import ROOT, git

from patent_embeddings.core import layout
from patent_embeddings.core.files import read_yaml
from patent_embeddings.core.params import Params
from patent_embeddings.grid import axes, experiments, keys
from patent_embeddings.grid.experiments import alike, head
from patent_embeddings.sharing import outputs

BASE = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def code(folder: Path) -> Path:
    """A repository with what the inputs of a cell are read from."""
    held = ["stages", "patent_embeddings", "registry", "dvc.yaml", "params.yaml", "environment.lock"]
    for name in filter(None, git(ROOT, "ls-files", "-z", *held).split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    return folder


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "One")
    return head()


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
    assert alike(before, after, axes.expand(base, {"recipe": ["zero-shot", "r1"]})) is same


def test_a_changed_default_or_rule_makes_another_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are resolved in a process that has the code that is asked about."""
    monkeypatch.chdir(code(tmp_path))
    params = Params.model_validate(BASE)
    asked = (
        "import yaml; from patent_embeddings.core.params import Params; from patent_embeddings.grid import keys;"
        "cell = Params.model_validate(yaml.safe_load(open('params.yaml')));"
        "print([keys.resolved(cell, stage, 'cell') for stage in keys.CELL],"
        "[keys.resolved(cell, stage, name) for stage in keys.LANDSCAPE for name in cell.evaluate_on])"
    )

    def inputs() -> str:
        done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
        return experiments._hash(commit(tmp_path), params, {"values": done.stdout})

    found = [inputs()]
    for file, rule, other in (
        ("corpus/values.py", "] = 12.0", "] = 8.0"),  # idea_families
        ("corpus/values.py", "] = 3.0", "] = 2.0"),  # citations_in
        ("encoders/entries.py", "min(asked or self.length", "min(asked or self.max_length"),  # Model.kept
        ("encoders/entries.py", "tokens=131072", "tokens=65536"),  # Model.plan
        ("core/params.py", "return [self.landscape]", "return self.evaluate_on"),  # Params.trained_on
    ):
        path = tmp_path / "patent_embeddings" / file
        text = path.read_text(encoding="utf-8")
        assert rule in text
        path.write_text(text.replace(rule, other), encoding="utf-8")
        found.append(inputs())
    assert len(set(found)) == len(found)
    progress = tmp_path / "patent_embeddings/core/progress.py"
    progress.write_text(progress.read_text(encoding="utf-8") + "# other words\n", encoding="utf-8")
    assert inputs() == found[-1]


@pytest.fixture
def computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The cell of a repository that has one experiment of it, in all that git and DVC say of one."""
    return held(tmp_path, monkeypatch, BASE)


def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: dict[str, Any]) -> Params:
    """`computed` of what params.yaml says, in another spelling of its numbers."""
    monkeypatch.chdir(code(tmp_path))
    if written != BASE:
        layout.PARAMS.write_text(yaml.safe_dump(written).replace("'5e-4'", "5e-4"), encoding="utf-8")
    params = Params.model_validate(read_yaml(layout.PARAMS))
    keys.write(params)
    values = {path.as_posix(): hashlib.md5(path.read_bytes()).hexdigest() for path in layout.VALUES.rglob("*.json")}
    stages: dict[str, dict[str, object]] = {
        "report": {"cmd": "x", "params": {"params.yaml": params.model_dump(mode="json")}}
    }
    for name, body in yaml.safe_load(layout.PIPELINE.read_text(encoding="utf-8"))["stages"].items():
        if name in ("check", "report"):
            continue
        for place in params.evaluate_on if "do" in body else [""]:
            deps = [dep.replace("${item}", place) for dep in body.get("do", body)["deps"]]
            locked = [{"path": dep, "md5": values.get(dep, "0" * 32)} for dep in deps]
            stages[f"{name}@{place}" if place else name] = {"cmd": "x", "deps": locked}
    # A landscape that is no longer evaluated, and a value that only the page reads.
    stages["tasks@gone"] = {"cmd": "x", "deps": [{"path": "data/values/gone/tasks.json", "md5": "1" * 32}]}
    layout.LOCK.write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}), encoding="utf-8")
    layout.SCORES.parent.mkdir()
    layout.SCORES.write_text("scores\n", encoding="utf-8")
    before = commit(tmp_path)
    monkeypatch.setattr(outputs, "experiments", lambda: [("mine", before)])
    layout.LOCK.unlink()
    return params


def edited(path: str, old: str, new: str) -> None:
    text = Path(path).read_text(encoding="utf-8")
    assert old in text
    Path(path).write_text(text.replace(old, new), encoding="utf-8")
    from patent_embeddings.core import registry

    registry._read.cache_clear()


def block(kind: str, name: str, key: str, value: object) -> Callable[[], None]:
    def change() -> None:
        path = layout.registry(kind)
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries[name][key] = value
        path.write_text(yaml.safe_dump(entries), encoding="utf-8")
        from patent_embeddings.core import registry

        registry._read.cache_clear()

    return change


@pytest.mark.parametrize(
    ("change", "held"),
    [
        (lambda: None, True),
        (block("recipes", "r3", "description", "In other words."), True),
        (block("landscapes", "sim-alpha", "description", "In other words."), True),
        (block("models", "e5-base", "length", 64), True),  # of another cell
        (lambda: edited("params.yaml", "# id in registry/models.yaml", "# the model"), True),
        (lambda: Path("docs.md").write_text("Nothing that a cell depends on.", encoding="utf-8"), True),
        (lambda: edited("dvc.yaml", "desc: One text per family and view", "desc: Texts"), True),
        (block("landscapes", "sim-beta", "families", 77), False),
        (block("models", "minilm", "length", 64), False),
        (block("recipes", "r3", "sections", ["title", "claims"]), False),
        (block("views", "tac", "sections", ["title"]), False),
        (lambda: edited("dvc.yaml", "python -m stages.views", "python -m stages.views --all"), False),
        (lambda: edited("patent_embeddings/corpus/splits.py", "hash", "hush"), False),
    ],
)  # fmt: skip
def test_an_experiment_is_held_until_something_that_a_stage_reads_changes(
    computed: Params, change: Callable[[], None], held: bool
) -> None:
    change()
    now = commit(Path.cwd())
    (one,) = experiments.by_inputs().values()
    assert one.params == computed
    assert (experiments.inputs(now, computed) == one.inputs) is held
    assert (experiments.inputs(now, computed) in experiments.by_inputs()) is held


@pytest.mark.parametrize(
    "change",
    [
        {"evaluate_on": ["sim-beta", "sim-alpha"]},
        {"search": {**BASE["search"], "engine": "ray"}},
        {"embed": {**BASE["embed"], "engine": "ray"}},
        {"embed": {**BASE["embed"], "length": 256}},
        {"finetune": {**BASE["finetune"], "rate": "5e-4"}},
    ],
    ids=str,
)
def test_an_experiment_holds_the_cell_however_that_is_written_or_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    params = held(tmp_path, monkeypatch, {**BASE, **change})
    layout.PARAMS.write_text(yaml.safe_dump(BASE), encoding="utf-8")
    now, usual = commit(tmp_path), Params.model_validate(BASE)
    assert experiments.inputs(now, usual) in experiments.by_inputs()
    assert experiments.inputs(now, params) in experiments.by_inputs()
    assert experiments.inputs(now, usual.model_copy(update={"recipe": "r1"})) not in experiments.by_inputs()


def test_an_experiment_of_an_entry_that_left_is_of_another_version(computed: Params) -> None:
    entries = yaml.safe_load(layout.registry("models").read_text(encoding="utf-8"))
    del entries["minilm"]
    layout.registry("models").write_text(yaml.safe_dump(entries), encoding="utf-8")
    from patent_embeddings.core import registry

    registry._read.cache_clear()
    commit(Path.cwd())
    with pytest.raises(Exception, match=r"no experiment of this code version \(1 of other versions\)"):
        experiments.current()


def test_a_cell_is_finished_where_the_report_was_made_of_what_check_wrote_of_these_parameters() -> None:
    params, others = BASE, {**BASE, "recipe": "r2"}
    cell = Params.model_validate(params)

    def lock(of: dict[str, object], written: str, read: str) -> dict[str, object]:
        check = {"params": {"params.yaml": of}, "outs": [{"path": "data/values", "md5": written}]}
        return {"check": check, "report": {"deps": [{"path": "data/values", "md5": read}]}}

    assert experiments._reported({"report": {"params": {"params.yaml": params}}}, cell)
    assert not experiments._reported({"report": {"params": {"params.yaml": others}}}, cell)
    lines = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["report"]["deps"]
    assert layout.VALUES.as_posix() in lines  # which is what tells whether the report is of these parameters
    assert experiments._reported(lock(params, "a", "a"), cell)
    assert not experiments._reported(lock(params, "b", "a"), cell)  # killed behind check
    assert not experiments._reported(lock(others, "a", "a"), cell)
    assert not experiments._reported({}, cell)
