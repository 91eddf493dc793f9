"""What the code of this repository imports, and what dvc.yaml says that its stages depend on."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
CODE = ("stages", "patent_embeddings")
PIPELINE: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
BODIES: dict[str, Any] = {name: body.get("do", body) for name, body in PIPELINE.items()}


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def module_file(module: str, root: Path = ROOT) -> str | None:
    """The file of a module of this repository, as `stages.pairs` -> `stages/pairs.py`."""
    path = Path(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if (root / candidate).is_file():
            return candidate.as_posix()
    return None


def empty(file: str, root: Path = ROOT) -> bool:
    """Whether a file holds nothing but a docstring."""
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in tree(root / file).body)


@cache
def imported(file: str, root: Path = ROOT, *, types: bool = False) -> frozenset[str]:
    """Files of this repository that a file imports at any depth of it; with `types` also those for type checking."""
    nodes = list(ast.walk(tree(root / file)))
    blocks = [node for node in nodes if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    skipped = {id(node) for block in blocks for part in block.body for node in ast.walk(part)}
    names: list[str] = []
    for node in nodes:
        if id(node) in skipped and not types:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in CODE:
            names += [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names if alias.name.split(".")[0] in CODE]
    return frozenset(path for name in names if (path := module_file(name, root)) and not empty(path, root)) - {file}


def closure(files: Iterable[str], exempt: Collection[str] = (), root: Path = ROOT) -> set[str]:
    """Modules that some files import, directly or through others, with themselves and without the exempt ones."""
    seen: set[str] = set()
    todo = list(files)
    while todo:
        one = todo.pop()
        if one not in seen and one not in exempt:
            seen.add(one)
            todo += sorted(imported(one, root))
    return seen


def modules(*folders: str, root: Path = ROOT) -> list[str]:
    """Every module of some folders, by its path in the repository."""
    return sorted(path.relative_to(root).as_posix() for folder in folders for path in (root / folder).rglob("*.py"))
