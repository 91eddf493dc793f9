"""dvc.yaml against the code: each stage depends on the modules that do its arithmetic, and on nothing that does not exist."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT

from stages import environment

PIPELINE: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
BODIES = {name: body.get("do", body) for name, body in PIPELINE.items()}

# Modules that read, write, show or name things, and compute nothing that lands in a table of numbers: a
# change in one of them does not change what a stage computes. Registries are tracked as parameters.
PLUMBING = {
    "costs",
    "errors",
    "files",
    "layout",
    "params",
    "progress",
    "scratch",
    "registry",
    "tables",
    "sources",
    "summary",
    "page",
    "charts",
}


def code(name: str) -> set[str]:
    return {dep for dep in BODIES[name]["deps"] if dep.startswith("stages/")}


def module_file(module: str) -> str | None:
    path = Path(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if (ROOT / candidate).is_file():
            return str(candidate)
    return None


def imported(file: str) -> set[str]:
    """Files of this repository that a file imports, at any depth of it, type checking apart."""
    found = set()
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    skipped = {id(node) for block in ast.walk(tree) if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
               for part in block.body for node in ast.walk(part)}  # fmt: skip
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        names = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stages"):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("stages")]
        found |= {path for name in names if (path := module_file(name))}
    return found


def closure(file: str) -> set[str]:
    seen: set[str] = set()
    todo = [file]
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo += sorted(path for path in imported(one) if path.split("/")[1].removesuffix(".py") not in PLUMBING)
    return seen


@pytest.mark.parametrize("name", [name for name in BODIES if name not in ("check", "download", "report")])
def test_a_stage_depends_on_the_modules_that_do_its_arithmetic(name: str) -> None:
    module = BODIES[name]["cmd"].split()[2]
    entry = module_file(module)
    if entry and entry.endswith("__init__.py"):
        entry = entry.replace("__init__", "__main__")
    assert entry
    needed = {file for file in closure(entry) if file != "stages/__init__.py"}
    uncovered = {file for file in needed if not any(file == dep or file.startswith(f"{dep}/") for dep in code(name))}
    assert not uncovered, f"stage {name} imports {sorted(uncovered)} without depending on it"


@pytest.mark.parametrize("name", [name for name in BODIES if name not in ("check", "report")])
def test_a_stage_tracks_the_registry_blocks_that_it_reads(name: str) -> None:
    module = BODIES[name]["cmd"].split()[2]
    file = module_file(f"{module}.__main__") or module_file(module)
    assert file
    text = (ROOT / file).read_text(encoding="utf-8")
    tracked = {key for entry in BODIES[name].get("params", []) if isinstance(entry, dict) for key in entry}
    for kind in ("model", "recipe", "reranker", "landscape"):
        if f"registry.{kind}(" in text:
            assert f"stages/registry/{kind}s.yaml" in tracked, f"stage {name} reads a {kind} without tracking it"


def test_every_code_dependency_exists() -> None:
    missing = {dep for name in BODIES for dep in code(name) if not (ROOT / dep).exists()}
    assert not missing


def test_every_stage_has_a_description_and_a_module() -> None:
    for name, body in BODIES.items():
        assert body["desc"] and body["cmd"].startswith("python -m stages."), name


def test_only_report_writes_outputs_that_are_not_cached() -> None:
    for name, body in BODIES.items():
        text = yaml.safe_dump(body)
        assert "persist" not in text and "always_changed" not in text, name
        assert ("cache: false" in text) == (name == "report"), name


def test_environment_lock_is_what_the_constraints_pin() -> None:
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lock = (ROOT / "environment.lock").read_text(encoding="utf-8")
    assert lock == environment.lock(constraints)
    assert [line.split("==")[0] for line in lock.splitlines()] == list(environment.NUMERIC)


def test_every_param_of_a_stage_exists_and_every_key_is_commented() -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    params = yaml.safe_load(text)
    for name, body in BODIES.items():
        for entry in body.get("params", []):
            if isinstance(entry, str):
                value: Any = params
                for key in entry.split("."):
                    assert key in value, f"{name}: {entry}"
                    value = value[key]
    lines = [
        line
        for line in text.splitlines()
        if ":" in line and not line.lstrip().startswith("#") and not line.endswith(":")
    ]
    assert all("#" in line for line in lines), [line for line in lines if "#" not in line]
