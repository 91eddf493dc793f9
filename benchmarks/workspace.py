"""A scratch working folder in which the stages run: parameters and registry of the repository, some keys changed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.timing import ROOT, Sample, command

LANDSCAPE = "bench"
OF_A_CELL = ("check", "pairs", "finetune", "report")  # stages that take no landscape


@contextmanager
def workspace(families: int, **changed: Any) -> Iterator[Path]:
    """A temporary working folder with the simulated landscape `bench`, the only one evaluated, zero-shot.

    Args:
        families: of the landscape.
        changed: as `change` takes them.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = Path(place)
        prepare(folder, **{"recipe": "zero-shot", "landscape": LANDSCAPE, "evaluate_on": [LANDSCAPE], **changed})
        entry = {"source": "simulated", "description": "Benchmark.", "licence": "CC0-1.0", "seed": 1, "families": families}  # fmt: skip
        register(folder, "landscapes", LANDSCAPE, entry)
        yield folder


def prepare(folder: Path, **changed: Any) -> None:
    """Make an existing folder fit for the stages; `changed` as `change` takes it."""
    for name in ("params.yaml", "environment.lock"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("*.py", "__pycache__")
    shutil.copytree(ROOT / "registry", folder / "registry", ignore=ignored)
    change(folder, **changed)


def change(folder: Path, **changed: Any) -> None:
    """Change keys of the folder's params.yaml; `a__b` is key b of block a."""
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, value in changed.items():
        *blocks, key = name.split("__")
        target = params
        for block in blocks:
            target = target[block]
        target[key] = value
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def register(folder: Path, kind: str, name: str, entry: Mapping[str, Any]) -> None:
    """Add an entry to a registry of the folder, such as `landscapes`."""
    path = folder / f"registry/{kind}.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "\n" + yaml.safe_dump({name: dict(entry)}), encoding="utf-8")


def run_stage(name: str, folder: Path, landscape: str = LANDSCAPE) -> Sample:
    """Run a stage in a working folder, on one landscape if it takes one; raises as `timing.command`."""
    return command(["-m", f"stages.{name}", *([] if name in OF_A_CELL else [landscape])], folder)
