"""A stage ends with the DVC that started it, lives on without a shell, and is not started beside itself."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer.main
import yaml
from workspaces import ROOT

from patent_embeddings.core import command
from patent_embeddings.core.errors import UserError

# A stage that takes long where the cell says so, and leaves what the cell said when it began.
SLOW = """
import subprocess, sys, time
from pathlib import Path
import typer
from patent_embeddings.core.command import run
from patent_embeddings.core.files import write_text
app = typer.Typer()
@app.command()
def main(landscape: str):
    said = Path("params.yaml").read_text()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path("begun").touch()
    time.sleep(5 if "old" in said else 0.1)
    write_text(Path("data/out.txt"), said)
    child.kill()
if __name__ == "__main__":
    run(app)
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of DVC's with that stage alone."""
    (tmp_path / "stages").mkdir()
    shutil.copytree(ROOT / "patent_embeddings" / "core", tmp_path / "patent_embeddings" / "core")
    (tmp_path / "stages" / "embed.py").write_text(SLOW)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    (tmp_path / "params.yaml").write_text("recipe: old\n")
    return tmp_path


def start(repository: Path, *command: str, **options: Any) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "PYTHON"))}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.Popen(
        command, cwd=repository, env=environment | {"SHELL": "/bin/bash"}, start_new_session=True, text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options},
    )  # fmt: skip


def inside(folder: Path) -> list[psutil.Process]:
    return [one for one in psutil.process_iter(["cwd", "status"])
            if one.info["cwd"] == str(folder) and one.info["status"] != psutil.STATUS_ZOMBIE]  # fmt: skip


def wait(until: Callable[[], Any], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.pipeline
@pytest.mark.parametrize(
    ("number", "command"),
    [(signal.SIGTERM, "python -m stages.embed tiny && true"), (signal.SIGKILL, "python -m stages.embed tiny")],
    ids=["terminated, through a shell that stays", "killed, through a shell that gives way"],
)
def test_a_stage_and_its_children_end_with_dvc_and_the_next_repro_is_right(
    repository: Path, number: int, command: str
) -> None:
    stage = {"cmd": command, "params": ["recipe"], "outs": ["data/out.txt"]}
    (repository / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"embed": stage}}))
    dvc = start(repository, "dvc", "repro", stdout=subprocess.DEVNULL)
    assert wait((repository / "begun").exists, 60)
    begun = time.monotonic()
    dvc.send_signal(number)
    assert wait(lambda: not inside(repository), 4), inside(repository)  # the parent's entry is not even collected yet
    dvc.wait()
    (repository / "params.yaml").write_text("recipe: new\n")
    again = start(repository, "dvc", "repro")
    said = again.communicate(timeout=60)[0]
    assert again.returncode == 0, said
    time.sleep(max(0, begun + 6 - time.monotonic()))  # an orphan would have ended by now
    assert (repository / "data/out.txt").read_text() == "recipe: new\n"


@pytest.mark.pipeline
def test_a_stage_started_by_hand_goes_on_without_its_shell_and_refuses_a_second_one(repository: Path) -> None:
    shell = start(
        repository,
        "bash",
        "-c",
        "nohup python -m stages.embed tiny > said 2>&1 & while ! [ -e begun ]; do sleep .05; done",
    )
    shell.communicate(timeout=60)
    first = next(one.pid for one in inside(repository) if "stages.embed" in " ".join(one.cmdline()))
    path = repository / "patent_embeddings" / "core" / "command.py"  # the second start waits less here
    path.write_text(re.sub(r"PATIENCE = [\d.]+", "PATIENCE = 0.5", path.read_text()))
    second = start(repository, "python", "-m", "stages.embed", "tiny")
    said = second.communicate(timeout=60)[0]
    assert second.returncode == 2 and said.count("\n") == 1, said
    assert said.startswith(f"error: stage embed@tiny is at work here already (process {first})")
    helped = start(repository, "python", "-m", "stages.embed", "--help")
    assert "Usage" in helped.communicate(timeout=60)[0] and helped.returncode == 0
    assert wait(lambda: not inside(repository), 20)
    assert (repository / "data/out.txt").read_text() == "recipe: old\n"


def test_another_landscape_and_another_stage_run_beside_it_and_a_dead_holder_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PATIENCE", 0.3)
    monkeypatch.chdir(tmp_path)
    place = command.layout.running("embed@a")
    held = command._held
    refusal = pytest.raises(UserError, match=rf"stage embed@a is at work here already \(process {os.getpid()}\)")
    with ExitStack() as stack:
        for name in ("embed@a", "embed@b", "bm25@a"):
            stack.enter_context(held(name, command.layout.running(name)))
        with refusal, held("embed@a", place):
            pass
    code = f"import os, sys; sys.path.insert(0, {str(ROOT)!r})\n"
    code += "from patent_embeddings.core import command; import pathlib\n"
    code += f"command._held('embed@a', pathlib.Path({str(place)!r})).__enter__(); os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == -signal.SIGKILL
    with held("embed@a", place):
        assert place.read_text() == f"{os.getpid()}\n"


def test_one_of_torchruns_processes_holds_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PATIENCE", 0.2)
    monkeypatch.setattr(command, "_name", lambda: "finetune")
    monkeypatch.delenv("DVC_STAGE", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    with command.alone():
        monkeypatch.setenv("RANK", "1")
        with pytest.raises(UserError, match="stage finetune is at work here already"), command.alone():
            pass
        started = {"WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost"}
        for name, value in {**started, "MASTER_PORT": "29500", "TORCHELASTIC_RUN_ID": "none"}.items():
            monkeypatch.setenv(name, value)
        with command.alone():
            pass


def test_every_stage_of_the_pipeline_is_held_and_nothing_else() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    commands = {body.get("do", body)["cmd"].split()[2].removeprefix("stages.") for body in stages.values()}
    assert set(command.STAGES) == commands == set(stages)


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "stages").glob("[!_]*.py")))
def test_every_command_and_each_of_its_arguments_and_options_is_explained(name: str) -> None:
    group = typer.main.get_command(import_module(f"stages.{name}").app)
    for one in getattr(group, "commands", {"": group}).values():
        assert one.help
        for parameter in one.params:
            assert getattr(parameter, "help", ""), f"{name} {one.name}: {parameter.name}"
