"""Queue cells in DVC's own queue, watch them, and resume after an interrupt.

DVC's workers have their own process group, so an interrupt ends only the watching.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patent_embeddings.core import gpus, layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.sharing.repository import unlocked

POLL = 3.0  # seconds between two polls of the queue
_BUSY = 180.0  # seconds for which a command is retried while DVC is locked, as long as its workers wait
_SILENT = 100  # polls without a change after which workers are asked whether they are alive
_KILLS = 5  # times that DVC is asked, for seconds each, to end a task whose worker was killed
_LOST = 10  # polls with idle capacity and waiting cells after which lost workers are started again


@dataclass(frozen=True)
class State:
    """Names of the experiments of some baseline commits, by their state in the queue."""

    queued: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)


def baselines() -> dict[str, set[str]]:
    """Names of the experiments that are queued or running, by baseline commit."""
    found: dict[str, set[str]] = {}
    for entry in itertools.chain(*_entries("queued", "running")):
        found.setdefault(entry.baseline_rev, set()).add(entry.name)
    return found


def state(commits: Collection[str]) -> State:
    """State of the experiments in DVC's queue whose baseline is one of some commits."""
    queued, running, done, failed = _names(commits, "queued", "running", "done", "failed")
    # A killed task stays among the failed ones even if its cell has been computed since.
    return State(queued, running, done, failed - done)


def pending(commits: Collection[str]) -> list[set[str]]:
    """Queued and running experiments as in `state`, without the ended ones, which are slow to read."""
    return _names(commits, "queued", "running")


def _names(commits: Collection[str], *states: str) -> list[set[str]]:
    return [{entry.name for entry in found if entry.baseline_rev in commits} for found in _entries(*states)]


def _entries(*states: str) -> list[list[Any]]:
    """Entries of DVC's queue in each of some states."""
    with _queue() as queue:
        every = {
            "queued": queue.iter_queued, "running": queue.iter_active, "done": queue.iter_success,
            "failed": queue.iter_failed,
        }  # fmt: skip
        # An ended one comes with its result.
        return [[one[0] if isinstance(one, tuple) else one for one in every[state]()] for state in states]


def add(name: str, overrides: Mapping[str, Any]) -> None:
    """Queue one cell under the name of its experiment; `overrides` are values by dotted key of params.yaml."""
    # As JSON, in which an id such as "2024" stays text.
    said = {key: json.dumps(value, separators=(",", ":")) for key, value in overrides.items()}
    settings = [part for key, value in said.items() for part in ("-S", f"{key}={value}")]
    _dvc("exp", "run", "--queue", "--name", name, *settings)


def check() -> None:
    """Raise UserError at characters beyond ASCII in paths or settings, on which DVC's workers die without a log.

    For every queued cell DVC writes git's settings, its own, and the path of its cache into ASCII files.
    """
    with _queue() as queue:
        folder = str(queue.repo.cache.local_cache_dir)
    if not folder.isascii():
        mend = "move the repository, or say `dvc cache dir --local FOLDER` with a plain path"
        raise UserError(f"{folder}: DVC's queue fails at letters beyond ASCII in the path of its cache; {mend}")
    for path in (Path(".git/config"), layout.DVC / "config.local"):
        content = path.read_bytes() if path.is_file() else b""
        if line := next((line for line in content.splitlines() if not line.isascii()), None):
            shown = line.decode(errors="replace").strip()
            mend = "say that in your user's settings (`--global`) instead, or give what it names a plain name"
            raise UserError(f"{path}: DVC's queue fails at letters beyond ASCII in it ({shown:.100}); {mend}")


def room() -> int:
    """Free bytes on the disk of DVC's cache."""
    with _queue() as queue:
        folder = Path(queue.repo.cache.local_cache_dir)
    return shutil.disk_usage(next(one for one in (folder, *folder.parents) if one.exists())).free


def clear(names: Collection[str], commits: Collection[str]) -> None:
    """Remove ended tasks, and tasks whose worker was killed, from the queue, so that they can be queued again."""
    running, done, failed = (_revisions(found, names, commits) for found in _entries("running", "done", "failed"))
    killed, tries = running, 0
    # Of a process that outlived its worker DVC ends the task only when it is asked again.
    while killed and tries < _KILLS:
        _dvc("queue", "kill", "--force", *killed)
        killed, tries = _revisions(_entries("running")[0], names, commits), tries + 1
    if every := sorted({*running, *done, *failed}):
        _dvc("queue", "remove", *every)


def _revisions(found: Iterable[Any], names: Collection[str], commits: Collection[str]) -> list[str]:
    """Revisions of tasks by name and baseline: experiments of other commits may have the same names."""
    return sorted(one.stash_rev for one in found if one.name in names and one.baseline_rev in commits)


def workers() -> int:
    """Number of DVC's workers that answer."""
    with _queue() as queue:
        return len(queue.worker_status())


def start(jobs: int) -> None:
    """Start workers up to a number, each with a GPU of its own (`core.gpus`).

    A single worker gets one as well: others may join it, and its environment cannot change later.
    """
    _dvc("queue", "start", "--jobs", str(jobs), **{gpus.APART: "1"})


def watch(names: Sequence[str], commits: Collection[str], jobs: int) -> State:
    """Wait until none of the cells is queued or running, and report progress and the expected end.

    Workers that are lost while cells wait are started again. Raises UserError where the worker of a running cell was
    killed.
    """
    ours = set(names)
    began: dict[str, float] = {}
    lengths: list[float] = []
    shown: tuple[frozenset[str], int] | None = None
    looks, unchanged, silent = 0, 0, 0
    while True:
        queued, running = (names & ours for names in pending(commits))
        clock = time.monotonic()
        gone = [name for name in began if name not in running]
        failed = state(commits).failed if gone else set()
        for name in gone:
            lengths.append(clock - began.pop(name))
            say(f"{'failed' if name in failed else 'done'}: {name} ({_span(lengths[-1])})")
        for name in running:
            began.setdefault(name, clock)
        if not running and not queued:
            return state(commits)
        unchanged += 1
        if (frozenset(running), len(queued)) != shown:
            unchanged = 0
            shown = (frozenset(running), len(queued))
            ending = end(lengths, list(began.values()), len(queued), jobs)
            finished, names = len(ours - running - queued), ", ".join(sorted(running)) or "nothing yet"
            say(f"[{finished} of {len(ours)}] running: {names}; {len(queued)} waiting{ending}")
        looks = looks + 1 if queued and len(running) < jobs else 0
        # A worker may die reading a file that another writes. Running ones must answer, or they would start twice.
        if looks >= _LOST and len(running) <= workers() < jobs:
            start(jobs)
            looks = 0
        if running and unchanged and unchanged % _SILENT == 0:
            # Twice in a row: a worker under load may miss one call.
            silent = 0 if workers() else silent + 1
            if silent == 2:
                why = "was killed (out of memory?); the same command goes on with what is left"
                raise UserError(f"the worker of {', '.join(sorted(running))} {why}")
        time.sleep(POLL)


def error_line(name: str, commits: Collection[str]) -> str:
    """The line of a failed cell's log that gives the cause."""
    (failed,) = _entries("failed")
    _, said = _run("queue", "logs", *(_revisions(failed, [name], commits) or [name])[:1])
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # The stage's own line comes before DVC's summary of it.
    telling = [line for line in lines if line.startswith("error:")] or [line for line in lines if "ERROR" in line]
    return telling[0] if telling else lines[-1] if lines else "no log"


def end(lengths: list[float], began: list[float], queued: int, jobs: int) -> str:
    """Expected end in words, from the mean time of finished cells; "" before the first has finished."""
    if not lengths:
        return ""
    mean = sum(lengths) / len(lengths)
    left = sum(max(mean - (time.monotonic() - start), 0) for start in began) + mean * queued
    end = time.localtime(time.time() + left / jobs)
    return f"; done at about {time.strftime('%H:%M', end)}, in {_span(left / jobs)}"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


@contextmanager
def _queue() -> Iterator[Any]:
    with unlocked() as repo:
        yield repo.experiments.celery_queue


def _run(*arguments: str, **variables: str) -> tuple[int, str]:
    """Exit code and output of a DVC command; `variables` are set in its environment."""
    # Workers find `dvc` and `python` on PATH, which must be those of this interpreter.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command, environment = [sys.executable, "-m", "dvc", *arguments], {**os.environ, **variables, "PATH": path}
    # Workers inherit the output and keep it open: a pipe would not end before they do.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        done = subprocess.run(command, stdout=said, stderr=said, check=False, env=environment)
        said.seek(0)
        return done.returncode, said.read()


def _dvc(*arguments: str, **variables: str) -> None:
    """Run a DVC command, retrying while a worker holds the lock. Raises UserError where it fails."""
    until, said = time.monotonic() + _BUSY, False
    while (refusal := _refusal(*arguments, **variables)) is not None:
        locked = "is busy, it is being blocked by" in refusal or "Unable to acquire lock" in refusal
        if not locked or time.monotonic() > until:
            raise UserError(f"dvc {' '.join(arguments[:3])}: {refusal[:300]}")
        if not said:
            said = True
            say(f"dvc {' '.join(arguments[:3])} waits: {refusal[:300]}")
        time.sleep(1)


def _refusal(*arguments: str, **variables: str) -> str | None:
    """Error message of a DVC command in one line; None if it succeeds."""
    code, said = _run(*arguments, **variables)
    return " ".join(said.replace("ERROR:", "").split()) if code else None
