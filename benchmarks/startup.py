"""Start-up times: `dvc repro` from nothing and with nothing to do, and `--help` of every stage and command."""

from __future__ import annotations

import subprocess
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

import typer

from benchmarks import comparison
from benchmarks.timing import ROOT, command
from patent_embeddings.core.command import run

app = typer.Typer(add_completion=False)

NAME = "startup"
CASE = "default cell"
HELP, UNCHANGED = 0.3, 2.0  # limits in seconds
TURNS = 5  # of each of these two
PACKAGES = ("dvc", "torch", "sentence-transformers", "pyserini")


@app.command()
def main() -> None:
    """Compute the default cell in a clone with empty caches, then time `dvc repro` again and every `--help`."""
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        clone = Path(place) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        repro = partial(command, ["-m", "dvc", "repro"], clone)
        computed = repro().seconds
        unchanged = median(repro().seconds for _ in range(TURNS))
    stages = [path.stem for path in (ROOT / "stages").glob("[!_]*.py")]
    helped = [
        median(command(["-m", f"stages.{name}", "--help"], ROOT).seconds for _ in range(TURNS)) for name in stages
    ]
    found = [
        comparison.Measurement("dvc repro from nothing", computed, "s"),
        comparison.Measurement("dvc repro with nothing to do", unchanged, "s", UNCHANGED),
        comparison.Measurement("--help of the slowest stage", max(helped), "s", HELP),
    ]
    comparison.note(NAME, CASE, found, PACKAGES)


if __name__ == "__main__":
    run(app)
