"""Cells through DVC's own queue: queued, watched, and taken up again after an interrupt.

DVC's workers have a process group of their own. An interrupt ends the watching, not the work.
"""

from __future__ import annotations

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

from dvc.repo import Repo

from patent_embeddings.core import gpus, layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say

POLL = 3.0  # seconds between two looks at the queue
_BUSY = 180.0  # seconds for which a command is tried again while DVC is locked; its workers wait as long
_SILENT = 100  # looks at which nothing has changed after which the workers of what runs are asked whether they live
_LOST = 10  # looks at which cells wait though fewer run than may, after which lost workers are started again


@dataclass(frozen=True)
class State:
    """Names of the experiments of some baseline commits, by what became of them."""

    queued: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)


def baselines() -> dict[str, set[str]]:
    """Commits whose experiments are queued or running, and the names of these."""
    found: dict[str, set[str]] = {}
    with _queue() as queue:
        for entry in (*queue.iter_queued(), *queue.iter_active()):
            found.setdefault(entry.baseline_rev, set()).add(entry.name)
    return found


def state(commits: Collection[str]) -> State:
    """Where DVC's queue stands with the experiments whose baseline is one of some commits."""
    with _queue() as queue:
        queued, running = _names(queue.iter_queued(), commits), _names(queue.iter_active(), commits)
        done, failed = (
            _names((entry for entry, _ in some), commits) for some in (queue.iter_success(), queue.iter_failed())
        )
    # A task that was killed stays among the failed ones when its cell has been computed since.
    return State(queued, running, done, failed - done)


def pending(commits: Collection[str]) -> tuple[set[str], set[str]]:
    """What is queued and what runs of `state`, without what has ended: DVC reads that anew each time, task by task."""
    with _queue() as queue:
        return _names(queue.iter_queued(), commits), _names(queue.iter_active(), commits)


def _names(entries: Iterable[Any], commits: Collection[str]) -> set[str]:
    return {entry.name for entry in entries if entry.baseline_rev in commits}


def add(name: str, overrides: Mapping[str, Any]) -> None:
    """Queue one cell under the name of its experiment; `overrides` are dotted keys of params.yaml -> values."""
    settings = [part for key, value in overrides.items() for part in ("-S", f"{key}={_override(value)}")]
    _dvc("exp", "run", "--queue", "--name", name, *settings)


def check() -> None:
    """Refuse what DVC's workers die of, and leave no log of: letters beyond ASCII.

    For every queued cell DVC writes git's settings, its own and the path of its cache into files of a copy, in ASCII.
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
    """Bytes that are free where DVC's cache is, or will be."""
    with _queue() as queue:
        folder = Path(queue.repo.cache.local_cache_dir)
    return shutil.disk_usage(next(one for one in (folder, *folder.parents) if one.exists())).free


def clear(names: set[str], commits: Collection[str]) -> None:
    """Take failed tasks, and those whose worker was killed, out of the queue, so that they can be queued again."""
    running, failed = _tasks(names, commits)
    if running:
        _dvc("queue", "kill", "--force", *sorted(running))
    if running or failed:
        _dvc("queue", "remove", *sorted({*running, *failed}))


def _tasks(names: Collection[str], commits: Collection[str]) -> list[dict[str, str]]:
    """What runs and what failed, revision to name: experiments of other commits may have the same names."""
    with _queue() as queue:
        running, failed = queue.iter_active(), (entry for entry, _ in queue.iter_failed())
        return [
            {entry.stash_rev: entry.name for entry in entries if entry.name in names and entry.baseline_rev in commits}
            for entries in (running, failed)
        ]


def workers() -> int:
    """How many of DVC's workers answer."""
    with _queue() as queue:
        return len(queue.worker_status())


def start(jobs: int) -> None:
    """Start workers up to a number; what each computes takes a GPU of its own (`core.gpus`).

    Of a single one too: others may join it, and it keeps the environment that it was started with.
    """
    _dvc("queue", "start", "--jobs", str(jobs), **{gpus.APART: "1"})


def watch(names: Sequence[str], commits: Collection[str], jobs: int) -> State:
    """Wait until no cell is queued or running, saying what runs, what is left and when it should end.

    Workers that are lost while cells wait are started again.
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
        # A worker may die reading what another is writing. Those that run must answer, or they would be started twice.
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
    """The line of a failed cell's log that says why."""
    _, said = _run("queue", "logs", next(iter(_tasks([name], commits)[1]), name))
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # The stage's own line comes before DVC's summary of it.
    telling = [line for line in lines if line.startswith("error:")] or [line for line in lines if "ERROR" in line]
    return telling[0] if telling else lines[-1] if lines else "no log"


def end(lengths: list[float], began: list[float], queued: int, jobs: int) -> str:
    """When the rest should be done, from the mean of the cells that have ended; nothing before one has."""
    if not lengths:
        return ""
    mean = sum(lengths) / len(lengths)
    left = sum(max(mean - (time.monotonic() - start), 0) for start in began) + mean * queued
    end = time.localtime(time.time() + left / jobs)
    return f"; done at about {time.strftime('%H:%M', end)}, in {_span(left / jobs)}"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _override(value: Any) -> str:
    """A value in the grammar of DVC's -S."""
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{','.join(map(_override, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


@contextmanager
def _queue() -> Iterator[Any]:
    with Repo() as repo:
        yield repo.experiments.celery_queue


def _run(*arguments: str, **variables: str) -> tuple[int, str]:
    """Exit code of a command of DVC, and what it says; `variables` are set for it and what it starts."""
    # Workers find `dvc` and `python` on PATH: those of this interpreter.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command, environment = [sys.executable, "-m", "dvc", *arguments], {**os.environ, **variables, "PATH": path}
    # Workers keep what they are started with open: a pipe would not end before they do.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        done = subprocess.run(command, stdout=said, stderr=said, check=False, env=environment)
        said.seek(0)
        return done.returncode, said.read()


def _dvc(*arguments: str, **variables: str) -> None:
    """One command of DVC; again while a worker that takes or hands in a cell holds a lock that it needs."""
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
    """What DVC says when a command fails, in one line; None if it does not fail."""
    code, said = _run(*arguments, **variables)
    return " ".join(said.replace("ERROR:", "").split()) if code else None
