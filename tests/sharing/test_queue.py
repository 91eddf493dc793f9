"""DVC's queue from outside: workers that are lost, and what they die of."""

from __future__ import annotations

import subprocess
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from patent_embeddings.core.errors import UserError
from patent_embeddings.sharing import queue


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


def test_a_cell_that_was_computed_after_a_killed_task_of_its_name_has_not_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DVC keeps the killed task: named as failed, the cell would be computed and called failed at once."""

    def task(name: str, baseline: str = "c") -> SimpleNamespace:
        return SimpleNamespace(name=name, baseline_rev=baseline)

    tasks = SimpleNamespace(
        iter_queued=lambda: [task("d"), task("e", "other")],
        iter_active=lambda: [],
        iter_success=lambda: [(task("a"), None), (task("b", "other"), None)],
        iter_failed=lambda: [(task("a"), None), (task("b"), None)],
    )
    monkeypatch.setattr(queue, "_queue", lambda: nullcontext(tasks))
    assert queue.state({"c"}) == queue.State(queued={"d"}, done={"a"}, failed={"b"})


@pytest.mark.parametrize("times", [1, 2])
def test_what_ended_is_removed_before_a_cell_of_its_name_is_queued_again(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a cell that fails now would count as done, as it once was, and not as failed.

    A task whose process outlived its worker runs until DVC is asked a second time, and cannot be removed before.
    """

    def task(name: str, baseline: str = "c") -> SimpleNamespace:
        return SimpleNamespace(name=name, baseline_rev=baseline, stash_rev=f"{name}-{baseline}")

    tasks = SimpleNamespace(
        iter_queued=lambda: [task("a")],
        iter_active=lambda: [task("b")],
        iter_success=lambda: [(task("a"), None), (task("a", "other"), None), (task("d"), None)],
        iter_failed=lambda: [(task("a"), None), (task("c"), None)],
    )
    ran: list[tuple[str, ...]] = []

    def dvc(*arguments: str) -> None:
        ran.append(arguments)
        if ran.count(arguments) == times:
            tasks.iter_active = lambda: []

    monkeypatch.setattr(queue, "_queue", lambda: nullcontext(tasks))
    monkeypatch.setattr(queue, "_dvc", dvc)
    queue.clear({"a", "b", "c"}, {"c"})
    assert ran == [*times * [("queue", "kill", "--force", "b-c")], ("queue", "remove", "a-c", "b-c", "c-c")]


def test_the_values_of_a_cell_reach_its_experiment_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By DVC's own reader of settings: an id of digits is text, and no number."""
    from dvc.utils.hydra import apply_overrides

    values = {"landscape": "2024", "evaluate_on": ["2024", "a-b"], "dtype": None, "rate": 0.5, "side": True, "depth": 9}
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(queue, "_dvc", lambda *arguments: ran.append(arguments))
    queue.add("cell", values)
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(dict.fromkeys(values, "before")))
    apply_overrides(params, list(ran[0][6::2]))
    assert yaml.safe_load(params.read_text()) == values


@pytest.mark.parametrize("jobs", [1, 3])
def test_workers_are_told_to_take_a_gpu_each(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []

    def run(command: list[str], *, env: dict[str, str], **_: Any) -> SimpleNamespace:
        started.append((command, env))
        return SimpleNamespace(returncode=0)

    monkeypatch.delenv(queue.gpus.APART, raising=False)
    monkeypatch.setattr(queue.subprocess, "run", run)
    queue.start(jobs)
    ((command, env),) = started
    assert command[-3:] == ["start", "--jobs", str(jobs)]
    assert env[queue.gpus.APART] == "1"
