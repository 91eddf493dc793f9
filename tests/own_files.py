"""Small files in our own form, and a folder to add them in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from workspaces import ROOT

from patent_embeddings.core import layout
from patent_embeddings.corpus.user import registration
from patent_embeddings.pages import landscape

REGISTRY = """# A comment that stays.

sim-alpha:
  source: simulated   # and this one
  description: Simulated.
  licence: CC0-1.0
  seed: 1
  families: 600
"""


def families(count: int = 4) -> list[dict[str, Any]]:
    return [
        {"family_id": f"F{i}", "title": f"Pump {i}", "abstract": "A pump.", "claims": "", "description": "",
         "ipc": ["F04B1/00"], "cpc": [], "jurisdiction": "US", "date": f"200{i}-01-01", "labels": [],
         "cites": [f"F{i - 1}", "X"] if i else []}
        for i in range(count)
    ]  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def prepare(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """The current folder with a registry of its own; DVC's part is a pointer file, and no page, which takes seconds."""
    layout.registry("landscapes").parent.mkdir(parents=True)
    layout.registry("landscapes").write_text(REGISTRY, encoding="utf-8")
    shutil.copy(ROOT / layout.PARAMS, folder / layout.PARAMS)
    patch.setattr(registration, "_dvc_add", lambda path: Path(f"{path}.dvc").write_text("pointer\n"))
    patch.setattr(landscape, "write", lambda *_: None)


def kept_files() -> list[str]:
    return sorted(path.as_posix() for path in layout.DATA.rglob("*") if path.is_file() and path != layout.ADDING)
