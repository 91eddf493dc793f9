"""Time processes from start to end, contestants in turn, and take the ratio of their medians."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patent_embeddings.core.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Sample:
    """One run of one contestant."""

    seconds: float  # from the start of its process to the end
    peak_mib: float  # largest resident memory of the process or of one that it waited for
    values: dict[str, Any] = field(default_factory=dict)  # what its function returned


Contestant = Callable[[], Sample]


def ratio(peer: Sequence[float], ours: Sequence[float]) -> tuple[float, float, float]:
    """Ratio of the medians of the peer's seconds and ours, and the lowest and highest ratio of one turn.

    Raises ValueError if the numbers of turns differ.
    """
    turns = [theirs / own for theirs, own in zip(peer, ours, strict=True)]
    return statistics.median(peer) / statistics.median(ours), min(turns), max(turns)


def in_turn(
    contestants: Mapping[str, Contestant], turns: int, check: Callable[[Mapping[str, Sample]], None]
) -> dict[str, list[Sample]]:
    """Run every contestant once a turn, in the opposite order every other turn.

    `check` gets the samples of the first turn before the others run, and raises where the answers differ.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in contestants}
    for turn in range(turns):
        for name in list(contestants)[:: 1 if turn % 2 == 0 else -1]:
            samples[name].append(contestants[name]())
        if turn == 0:
            check({name: found[0] for name, found in samples.items()})
    return samples


def function(target: str, folder: Path = ROOT, /, *, limit: float | None = None, **arguments: Any) -> Sample:
    """Run a function of this package, `benchmarks.MODULE:FUNCTION`, in a process of its own in a folder.

    Arguments and result are JSON values; the result is a dict or None. Raises UserError: as `command`.
    """
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "values.json"
        sample = command(["-m", "benchmarks.child", target, json.dumps(arguments), str(file)], folder, limit)
        return Sample(sample.seconds, sample.peak_mib, json.loads(file.read_text(encoding="utf-8")))


def command(arguments: Sequence[str], folder: Path, limit: float | None = None) -> Sample:
    """Run Python with these arguments, with empty caches.

    Raises UserError: it fails, with its last line in the message; or it takes more than `limit` seconds and is killed.
    """
    shown = f"python {' '.join(arguments)[:120]}"
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryFile() as said:
        file = Path(place) / "measured"
        process = subprocess.Popen(
            [sys.executable, "-S", str(LAUNCH), str(file), sys.executable, *arguments],
            cwd=folder,
            env=environment(Path(place) / "cache"),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            process.wait(limit)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)  # the launcher and what it runs
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise UserError(f"`{shown}` was ended after {limit:.0f} seconds") from None
            raise
        seconds, peak, status = file.read_text(encoding="ascii").split()
        if int(status):
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines() or ["no message"]
            raise UserError(f"`{shown}` ended with {status}: {lines[-1]:.300}")
    return Sample(float(seconds), int(peak) / 1024)


def environment(cache: Path) -> dict[str, str]:
    """Environment of a timed process: this Python and code, a cache folder of its own, no network."""
    own = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    own |= {"XDG_CACHE_HOME": str(cache), "XDG_STATE_HOME": str(cache), "MTEB_CACHE": str(cache / "mteb")}
    own |= {"TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor")}
    return {**os.environ, **own, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
