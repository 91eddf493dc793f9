"""Clones of this repository whose cell is tiny: a model of random weights on a small simulated landscape."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import forks
import tiny
import yaml

ROOT = Path(__file__).resolve().parents[2]
L = "tiny"
STEPS, EVALUATIONS, BATCH = 6, 3, 8
LANDSCAPE = {
    "source": "simulated", "description": "A landscape for tests.", "licence": "CC0-1.0", "seed": 3, "families": 300,
}  # fmt: skip
MODEL = {
    "source": "folder", "hub": "tiny/model", "family": "tiny", "parameters": 0.01, "dimension": tiny.DIMENSION,
    "max_length": 64, "length": 48, "pooling": "mean", "licence": "CC0-1.0",
}  # fmt: skip
CELL = {"model": L, "recipe": "r3", "landscape": L, "evaluate_on": [L]}
BLOCKS = {
    "finetune": {
        "pairs": STEPS * BATCH, "steps": STEPS, "batch": BATCH, "length": 32, "rank": 2, "evaluations": EVALUATIONS,
    },
    "metrics": {"clusterings": 2},
}  # fmt: skip
QUICK = forks.dvc_with("pandas", "pyarrow.parquet", "pydantic", "sentence_transformers")
BUT_REPORT = (f"lengths@{L}", f"metrics@{L}")  # what the page is made of, with all that these need
FIRST, SECOND = "first", "second"  # names of the two cells that clone A runs


@dataclass
class Clone:
    """A clone with a scratch of its own; commands run in it as a person would run them."""

    path: Path
    variables: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # that each stage took, where it was measured

    @property
    def environment(self) -> dict[str, str]:
        """Environment without anything of this machine's own DVC, hub or Python settings."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "HF_", "GIT_", "PYTHON", "AWS_"))}
        beside = self.path.parent / f"{self.path.name}-home"
        return {
            **kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(beside),
            "XDG_CACHE_HOME": str(beside / "cache"), "DVC_SITE_CACHE_DIR": str(beside / "site"),
            "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **self.variables,
        }  # fmt: skip

    @property
    def scratch(self) -> Path:
        """Where half-finished work is kept."""
        return Path(self.environment["XDG_CACHE_HOME"]) / "patent-embeddings"

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command as the leader of a process group of its own."""
        Path(self.environment["HOME"]).mkdir(exist_ok=True)
        return subprocess.Popen(
            command, cwd=self.path, env=self.environment, text=True, start_new_session=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options},
        )  # fmt: skip

    def run(self, *command: str, status: int | None = 0, **options: Any) -> str:
        """Run a command, expect its exit status (None: any but 0), and return all that it said."""
        process = self.start(*command, **options)
        said = process.communicate(timeout=600)[0]
        assert process.returncode == status or (status is None and process.returncode), (
            f"{command}: {process.returncode}\n{said}"
        )
        return said

    def dvc(self, *arguments: str, **options: Any) -> str:
        """Run DVC."""
        return self.run("dvc", *arguments, **options)

    def quick(self, *arguments: str, **options: Any) -> str:
        """Run DVC, the stages in processes that are forked from it: where neither is what is tested."""
        return self.run("python", "-c", QUICK, *arguments, **options)

    def share(self, *arguments: str, **options: Any) -> str:
        """Run the command under test."""
        return self.run("python", "-m", "stages.share", *arguments, **options)

    def connect(self, settings: dict[str, str]) -> None:
        """Point the committed default remote at a server of this test, as `dvc remote modify --local` does."""
        lines = "".join(f"    {name} = {value}\n" for name, value in settings.items())
        with (self.path / ".dvc/config.local").open("a", encoding="utf-8") as file:
            file.write(f"['remote \"lab\"']\n{lines}")

    def git(self, *arguments: str) -> str:
        """Run git as somebody."""
        return self.run("git", "-c", "user.name=A", "-c", "user.email=a@example.org", *arguments)

    def commit_here(self) -> None:
        """Commit every change."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Results")

    def commit(self) -> None:
        """Commit every change and send it to the origin."""
        self.commit_here()
        self.git("push", "--quiet", "origin", "HEAD")

    def results(self) -> dict[str, str]:
        """SHA-256 of each table, array and score of the workspace; costs, which the page has, differ each time."""
        files = [path for path in (self.path / "data").rglob("*") if path.is_file()]
        files += [self.path / "reports" / name for name in ("scores.csv", "metrics.json")]
        return {
            str(path.relative_to(self.path)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if "costs" not in path.parts and path.name != ".gitignore"
        }


def ran(said: str) -> list[str]:
    """Stages that DVC ran, in order, from what it said."""
    return [line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage '")]


def origin(folder: Path) -> Path:
    """A bare repository with this checkout's tracked files, and the tiny cell in params.yaml and the registries."""
    work = Clone(folder / "seed")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        if name != "dvc.lock" and (ROOT / name).is_file():
            (work.path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, work.path / name)
    model = tiny.dense(folder / "model", tiny.bert(folder / "base"), "mean")
    registry = work.path / "registry"
    for name, block in (
        ("models", {**MODEL, "path": str(model), "digest": tiny.pinned(model)}),
        ("landscapes", LANDSCAPE),
    ):
        with (registry / f"{name}.yaml").open("a", encoding="utf-8") as file:
            file.write("\n" + yaml.safe_dump({L: block}))
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")) | CELL
    params |= {name: params[name] | block for name, block in BLOCKS.items()}
    (work.path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    bare = folder / "origin.git"
    work.run("git", "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    work.git("init", "--quiet", "--initial-branch=main")
    work.git("remote", "add", "origin", str(bare))
    work.commit()
    return bare


def clone(bare: Path, folder: Path, **variables: str) -> Clone:
    """A clone in a new folder, its caches empty."""
    made = Clone(folder, variables)
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "clone", "--quiet", str(bare), str(folder)], check=True)
    made.git("config", "user.name", "A")
    made.git("config", "user.email", "a@example.org")
    return made


def copy(of: Clone, folder: Path) -> Clone:
    """A copy of a clone with all that it has computed, but for its scratch."""
    shutil.copytree(of.path, folder, symlinks=True)
    return Clone(folder, dict(of.variables))
