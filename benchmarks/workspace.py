"""A temporary folder in which stages run: the registry, and one zero-shot cell on one simulated landscape."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.encode import MODEL
from benchmarks.timing import ROOT, Sample, command
from patent_embeddings.core.files import read_yaml

LANDSCAPE = "bench"
OF_A_CELL = ("check", "pairs", "finetune", "report")  # stages without a landscape argument


@contextmanager
def workspace(families: int, view: str, *, dtype: str = "float32", dimension: int | None = None) -> Iterator[Path]:
    """Make a temporary folder whose zero-shot cell is evaluated on the simulated landscape `bench` alone.

    `view` is that of queries and documents. With `dimension` the model is one of that dimension, which has no weights:
    the caller draws its vectors.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = Path(place)
        shutil.copy(ROOT / "environment.lock", folder)
        shutil.copytree(ROOT / "registry", folder / "registry")
        params = read_yaml(ROOT / "params.yaml")
        params |= {
            "model": "bench" if dimension else MODEL,
            "recipe": "zero-shot",
            "query_view": view,
            "document_view": view,
        }
        params |= {"landscape": LANDSCAPE, "evaluate_on": [LANDSCAPE]}
        params["embed"]["dtype"] = dtype
        (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        entry = {"source": "simulated", "description": "", "licence": "CC0-1.0", "seed": 1, "families": families}
        _register(folder / "registry/landscapes.yaml", {LANDSCAPE: entry})
        if dimension:
            models = folder / "registry/models.yaml"
            _register(models, {"bench": {**read_yaml(models)[MODEL], "dimension": dimension}})
        yield folder


def _register(registry: Path, entries: dict[str, Any]) -> None:
    with registry.open("a", encoding="utf-8") as file:
        file.write("\n" + yaml.safe_dump(entries))


def run_stage(name: str, folder: Path) -> Sample:
    """Run a stage in the folder, on its landscape if it takes one. Raises UserError: as `timing.command`."""
    return command(["-m", f"stages.{name}", *([] if name in OF_A_CELL else [LANDSCAPE])], folder)
