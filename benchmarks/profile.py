"""Where the seconds of `dvc repro` go: the default cell from nothing, in a clone with a cache of its own.

A stage's wall seconds run from the line with which DVC starts it to the next such line, so that DVC's own
work is in them. What the stage itself measured (`data/costs`) leaves out starting Python and loading libraries.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from benchmarks import comparison, results
from benchmarks.hardware import record
from benchmarks.timing import ROOT, command, environment
from patent_embeddings.core.errors import UserError, run

app = typer.Typer(add_completion=False)

NAME = "profile"
CASE = "default cell"
HELP, UNCHANGED = 0.5, 3.0  # limits in seconds
TURNS = 5  # of each of these two
PACKAGES = ("dvc", "torch", "sentence-transformers", "pyserini")
_STAGE = re.compile(r"Running stage '([^']+)'")


@dataclass(frozen=True)
class Stage:
    """A stage of a finished cell: its name, wall seconds, and the seconds that it measured itself."""

    name: str
    wall: float
    own: float


@app.command()
def main(
    clone: Annotated[Path | None, typer.Option(help="A clone to compute, in place of a new one of this repository.")] = None,
) -> None:  # fmt: skip
    """Compute a cell in a clone, then time what changes nothing and every stage's --help."""
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = clone or Path(place) / "clone"
        if clone is None:
            _quietly(["git", "clone", "--quiet", str(ROOT), str(folder)], Path(place))
        # DVC runs `python` of the path.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        variables = {**environment(Path(place) / "cache"), "PYTHONPATH": str(folder.resolve()), "PATH": path}
        stages = computed(folder, variables)
        if not stages:
            raise UserError(f"{folder}: every stage is computed there already; give a fresh clone")
        total = sum(stage.wall for stage in stages)
        hardware = record(PACKAGES)
        rows = [
            {"case": CASE, "stage": stage.name, "wall": stage.wall, "own": stage.own, "share": stage.wall / total, **hardware}
            for stage in stages
        ]  # fmt: skip
        results.store(NAME, rows)
        for stage in sorted(stages, key=lambda stage: -stage.wall):
            print(f"{NAME}: {stage.name} {stage.wall:.1f} s, {stage.wall / total:.0%}, of which {stage.own:.1f} s its own work")  # fmt: skip
        unchanged = median(_seconds(folder, variables) for _ in range(TURNS))
    helped = {
        name: median(command(["-m", f"stages.{name}", "--help"], ROOT).seconds for _ in range(TURNS))
        for name in modules()
    }
    found = [comparison.Measurement("dvc repro from nothing", total, "s"),
             comparison.Measurement("dvc repro with nothing to do", unchanged, "s", UNCHANGED),
             comparison.Measurement("--help of the slowest stage", max(helped.values()), "s", HELP)]  # fmt: skip
    comparison.note(NAME, CASE, found, PACKAGES)


def computed(folder: Path, variables: dict[str, str]) -> list[Stage]:
    """Run `dvc repro` in a clone.

    Raises:
        UserError: it fails.
    """
    stamped = [(time.perf_counter(), line) for line in _lines(["-m", "dvc", "repro"], folder, variables)]
    return [Stage(name, wall, own_seconds(folder, name)) for name, wall in walls(stamped, time.perf_counter())]


def _seconds(folder: Path, variables: dict[str, str]) -> float:
    """Seconds of one `dvc repro`."""
    start = time.perf_counter()
    for _ in _lines(["-m", "dvc", "repro"], folder, variables):
        pass
    return time.perf_counter() - start


def walls(stamped: Iterable[tuple[float, str]], end: float) -> list[tuple[str, float]]:
    """Wall seconds of each stage, from the time of each line that DVC printed and the time of its end."""
    starts = [(at, match[1]) for at, line in stamped if (match := _STAGE.search(line))]
    ends = [at for at, _ in starts[1:]] + [end]
    return [(name, until - at) for (at, name), until in zip(starts, ends, strict=True)]


def own_seconds(folder: Path, stage: str) -> float:
    """Seconds that a stage measured itself, 0 where it measures none; `embed@sim-alpha` names its landscape."""
    name, _, landscape = stage.partition("@")
    path = folder / "data/costs" / (landscape or "cell") / f"{name}.json"
    return float(json.loads(path.read_text(encoding="utf-8"))["seconds"]) if path.exists() else 0.0


def modules() -> list[str]:
    """Modules of the stages, by dvc.yaml."""
    import yaml

    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return [body.get("do", body)["cmd"].split()[2].removeprefix("stages.") for body in stages.values()]


def _lines(arguments: list[str], folder: Path, variables: dict[str, str]) -> Iterator[str]:
    """Lines that Python prints, as they come."""
    process = subprocess.Popen(
        [sys.executable, "-u", *arguments], cwd=folder, env=variables, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    last = ""
    for line in process.stdout or ():
        last = line.strip() or last
        yield line
    if process.wait():
        raise UserError(f"`python {' '.join(arguments)}` in {folder} ended with {process.returncode}: {last:.300}")


def _quietly(arguments: list[str], folder: Path) -> None:
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, env=os.environ)
    if done.returncode:
        raise UserError(f"`{' '.join(arguments)}` failed: {done.stderr.strip().splitlines()[-1]}")


if __name__ == "__main__":
    run(app)
