"""A working folder with the parameters and the registry of this repository, and what tests change in them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]


def prepare(folder: Path) -> None:
    """Copy params.yaml and the registry into an existing folder."""
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / "registry", folder / "registry")


def tracked(*patterns: str) -> list[str]:
    """Files of this checkout that git tracks, or would: all, or those that match git's patterns."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def copy_tracked(folder: Path, *patterns: str) -> list[str]:
    """Copy `tracked` files into a folder, and return their names."""
    names = tracked(*patterns)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return names


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
